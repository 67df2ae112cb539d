# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of machines that are ready to go: one folder each, named after all that went into it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from callao.instances.files import read_json, write_json
from callao.snapshots.record import Bound

_RECORD = "warm.json"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """warm.json: what a copy has to know."""

    bound: Bound
    mac_address: str
    image: str
    image_digest: str = ""
    cmdline: str = ""
    created: float = msgspec.field(default_factory=time.time)


@dataclass(frozen=True)
class Place:
    """Where the machine of one key is, or will be."""

    home: Path
    key: str

    @property
    def folder(self) -> Path:
        return _cache(self.home) / self.key

    @property
    def disk(self) -> Path:
        return self.folder / "disk"

    @contextlib.contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """Against other runs that want the same machine.

        :raises TimeoutError: after ``timeout`` seconds.
        """
        _cache(self.home).mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with FileLock(_lock(self.folder), timeout=timeout):
                yield
        except Timeout:
            raise TimeoutError(f"another run prepares the same machine, for {timeout:.0f} s.") from None

    def entry(self) -> Entry | None:
        """None when there is none yet."""
        return read_json(self.folder / _RECORD, Entry)

    def used(self) -> None:
        """Noted, so that the one that is used least goes first."""
        with contextlib.suppress(OSError):
            os.utime(self.folder)

    def keep(self, aside: Path, entry: Entry) -> None:
        """Take over a folder with a machine's files."""
        write_json(aside / _RECORD, entry)
        shutil.rmtree(self.folder, ignore_errors=True)
        aside.rename(self.folder)


def trim(home: Path, limit: int, used: Collection[Path]) -> list[Path]:
    """Remove what was used longest ago until the rest takes ``limit`` bytes at most.

    :param used: files that instances' disks are made on: their entries stay.
    :returns: the folders that are gone.
    """
    kept = {path.resolve().parent for path in used}
    entries = [each for each in _entries(home) if each.resolve() not in kept]
    total = sum(size(each) for each in _entries(home))
    gone: list[Path] = []
    for folder in sorted(entries, key=lambda each: each.stat().st_mtime):
        if total <= limit:
            break
        freed = size(folder)
        if _removed(folder):
            total -= freed
            gone.append(folder)
    return gone


def size(folder: Path) -> int:
    """Bytes on the disk."""
    return sum(each.lstat().st_blocks * 512 for each in folder.iterdir())


def _removed(folder: Path) -> bool:
    try:
        with FileLock(_lock(folder), timeout=0):
            shutil.rmtree(folder)
    except (Timeout, OSError):  # another run is at it just now
        return False
    return True


def _entries(home: Path) -> list[Path]:
    folder = _cache(home)
    return [each for each in folder.iterdir() if not each.name.startswith(".")] if folder.is_dir() else []


def _cache(home: Path) -> Path:
    return home / "_cache" / "warm"


def _lock(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")
