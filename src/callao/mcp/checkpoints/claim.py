# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of one server's checkpoints, and those that servers which were killed have left.

Its name is the beginning of the names of the machine's snapshots, so it stays until those are deleted. A
lock in it is held as long as the server runs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from callao import system
from callao.errors import CallaoError
from callao.flock import exclusive

_LOCK = "lock"
_FILES = "files"
_TIMEOUT = 60.0
"""Seconds to wait for another server that begins at the same time."""


class Claim:
    """The folder ``path``, which this process has."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @property
    def prefix(self) -> str:
        """What the names of this server's snapshots begin with."""
        return self.path.name

    @property
    def files(self) -> Path:
        """Where the contents of files are kept."""
        return self.path / _FILES

    def remove_files(self) -> None:
        shutil.rmtree(self.files, ignore_errors=True)

    def remove(self) -> None:
        """Remove all of it, when no snapshot with its prefix is left."""
        shutil.rmtree(self.path, ignore_errors=True)

    def release(self) -> None:
        os.close(self._descriptor)


def new_claim(folder: Path) -> Claim:
    """A claim of this process, in the folder of an instance's checkpoints."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"mcp-{secrets.token_hex(4)}"
    with _beginning(folder):  # others see it with its lock held, or not at all
        path.mkdir(mode=0o700)
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        system.lock(descriptor)
    return Claim(path, descriptor)


@contextlib.contextmanager
def taken_over(path: Path) -> Iterator[Claim | None]:
    """A claim whose server has ended; None while that runs, or for a folder that is gone."""
    with _beginning(path.parent):
        try:
            descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            yield None
            return
        locked = system.lock(descriptor)
    claim = Claim(path, descriptor)
    try:
        yield claim if locked else None
    finally:
        claim.release()


def claims(folder: Path) -> list[Path]:
    """All claims, of servers that run and of others."""
    return sorted(folder.glob("mcp-*"))


@contextlib.contextmanager
def _beginning(folder: Path) -> Iterator[None]:
    def busy(who: str) -> CallaoError:
        return CallaoError(f"{folder}: {who} prepares its checkpoints for more than {_TIMEOUT:.0f} s.")

    with exclusive(folder / _LOCK, _TIMEOUT, busy):
        yield
