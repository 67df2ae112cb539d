# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance's folder, which may be removed while the machine runs, and replaced by a new one."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_POLL_INTERVAL = 2.0
"""Seconds between two checks. inotify reports a folder's removal only after its last open file was closed,
and the machine has its disk open."""


class InstanceFolder:
    """A folder, identified by an open descriptor, not by its path."""

    def __init__(self, path: Path) -> None:
        """:raises OSError: when the folder does not exist."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY)

    async def wait_removed(self, interval: float | None = None) -> None:
        """Wait until the folder is removed; a folder that is moved is not removed."""
        while self._is_linked():
            await asyncio.sleep(_POLL_INTERVAL if interval is None else interval)

    def is_in_place(self) -> bool:
        """Whether the path still names this folder."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def remove_files(self, files: Iterable[Path]) -> None:
        """Remove files in the folder, unless another folder has replaced it."""
        if self.is_in_place():
            for file in files:
                with contextlib.suppress(OSError):
                    file.unlink()

    def _is_linked(self) -> bool:
        try:
            return os.fstat(self._descriptor).st_nlink > 0
        except OSError:  # for example ESTALE on a network file system, after another host removed it
            return False
