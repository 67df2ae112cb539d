# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance's folder, which may be removed under a running machine, and another made in its place."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_LOOK = 2.0
"""Seconds between two looks. The kernel tells of a folder's end only when its last open file is closed, and
the machine has its disk open."""


class Folder:
    """One folder, whatever has its path."""

    def __init__(self, path: Path) -> None:
        """:raises OSError: when there is none."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY)

    async def removed(self, look: float | None = None) -> None:
        """Until it is; one that is only moved is not."""
        while self._is_linked():
            await asyncio.sleep(_LOOK if look is None else look)

    def is_in_place(self) -> bool:
        """Whether its path is still its own."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def remove(self, files: Iterable[Path]) -> None:
        """Remove files of it, unless another folder has its place."""
        if self.is_in_place():
            for file in files:
                with contextlib.suppress(OSError):
                    file.unlink()

    def _is_linked(self) -> bool:
        try:
            return os.fstat(self._descriptor).st_nlink > 0
        except OSError:  # as of a network's file system, where somebody else has removed it
            return False
