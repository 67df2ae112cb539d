# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of warm machines: one folder for each, named by a digest of what the machine is made from."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from callao.atomic import put_folder_in_place
from callao.disk_usage import disk_usage
from callao.flock import exclusive
from callao.images.cache import is_of_another_home
from callao.images.prune import Pruned
from callao.instances.records import read_json, write_json
from callao.snapshots.record import RequiredMachine

_RECORD = "warm.json"

_WARM = "warm"
"""The folder's name in the cache."""


class WarmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """warm.json: what is needed to start a copy of the saved machine."""

    machine: RequiredMachine = msgspec.field(name="bound")
    mac_address: str
    image: str
    image_digest: str = ""
    cmdline: str = ""
    created: float = msgspec.field(default_factory=time.time)


@dataclass(frozen=True)
class WarmEntry:
    """The cache entry of one key, whether it exists yet or not."""

    home: Path
    key: str

    @property
    def folder(self) -> Path:
        return _cache(self.home) / self.key

    @property
    def disk(self) -> Path:
        return self.folder / "disk"

    @property
    def staging(self) -> Path:
        """The staging directory; a run that was killed leaves it."""
        return self.folder.with_name(f".{self.key}.new")

    @property
    def staging_home(self) -> Path:
        """The LIMA_HOME in which the first machine boots. Its path is short, because a unix socket's must
        be.
        """
        return self.home / "_warm" / self.key[:8]

    @contextlib.contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        """Hold the entry's lock, against other runs that need the same machine.

        :raises TimeoutError: after ``timeout`` seconds.
        """
        _cache(self.home).mkdir(parents=True, exist_ok=True, mode=0o700)
        with _lock(self.folder, timeout):
            yield

    def record(self) -> WarmRecord | None:
        """The record; None where the machine has not been saved yet."""
        return read_json(self.folder / _RECORD, WarmRecord)

    def remove_if_unused(self, used: Callable[[], Collection[Path]]) -> bool:
        """Remove an unreadable machine, unless an instance may be backed by its disk.

        The caller holds the lock.

        :param used: the files that instances' disks are backed by.
        :returns: whether the folder is gone now.
        """
        if not self.folder.exists():
            return True
        if is_of_another_home(_WARM, self.home) or _is_backing_folder(self.folder, used()):
            return False
        shutil.rmtree(self.folder)
        return True

    def touch(self) -> None:
        """Record that the entry was used now. The least recently used entry is removed first."""
        with contextlib.suppress(OSError):
            os.utime(self.folder)

    def commit(self, staging: Path, record: WarmRecord) -> None:
        """Rename the staging directory to the entry's folder, which must not exist.

        All files are flushed before, the memory's too: after a power failure, an entry with incomplete
        memory would start machines that crash.
        """
        write_json(staging / _RECORD, record)
        put_folder_in_place(staging, self.folder)


def warm_entries(home: Path) -> list[WarmEntry]:
    """Every entry that a run has ever locked, or whose staging home a run has left."""
    keys = [each.name[1 : -len(".lock")] for each in _cache(home).glob(".*.lock")]
    staging_homes = [each.name for each in (home / "_warm").glob("*")]
    known = {key[:8] for key in keys}
    return [
        WarmEntry(home, key)
        for key in sorted([*keys, *(name for name in staging_homes if name not in known)])
    ]


def trim(home: Path, limit: int, used: Callable[[], Collection[Path]], *, check: bool = False) -> Pruned:
    """Remove the least recently used entries until the rest takes ``limit`` bytes at most.

    A cache that is a symbolic link belongs to another LIMA_HOME, whose instances are not known here: nothing
    of it is removed.

    :param used: returns the backing files of instances' disks, whose entries are kept. It is called with the
    entry's lock held, because another run may just have created an instance from it. :param check: remove
    nothing, and return what would be removed.
    """
    if is_of_another_home(_WARM, home):
        return Pruned((), 0)
    entries = _entries(home)
    total = sum(size(each) for each in entries)
    removed: list[Path] = []
    freed = 0
    for folder in sorted(entries, key=lambda each: each.stat().st_mtime):
        if total - freed <= limit:
            break
        size_of_folder = size(folder)
        if _remove_if_unused(folder, used, check=check):
            freed += size_of_folder
            removed.append(folder)
    return Pruned(tuple(removed), freed)


def size(folder: Path) -> int:
    """Bytes that a folder takes on the disk."""
    return disk_usage(folder.iterdir())


def _remove_if_unused(folder: Path, used: Callable[[], Collection[Path]], *, check: bool) -> bool:
    try:
        with _lock(folder, 0.0):
            if _is_backing_folder(folder, used()):
                return False
            if not check:
                shutil.rmtree(folder)
    except OSError:  # for example because another run holds the lock
        return False
    return True


def _is_backing_folder(folder: Path, used: Collection[Path]) -> bool:
    return folder.resolve() in {path.resolve().parent for path in used}


def _entries(home: Path) -> list[Path]:
    folder = _cache(home)
    return [each for each in folder.iterdir() if not each.name.startswith(".")] if folder.is_dir() else []


def _cache(home: Path) -> Path:
    return home / "_cache" / _WARM


@contextlib.contextmanager
def _lock(folder: Path, timeout: float) -> Iterator[None]:
    def timeout_error(who: str) -> TimeoutError:
        return TimeoutError(f"another run prepares the same machine, for {timeout:.0f} s: {who}.")

    with exclusive(folder.with_name(f".{folder.name}.lock"), timeout, timeout_error):
        yield
