# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of machines that are ready to go: one folder each, named after all that went into it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from callao.disk_usage import disk_usage
from callao.flock import exclusive
from callao.images.cache import is_anothers
from callao.images.prune import Pruned
from callao.instances.files import read_json, write_json
from callao.snapshots.record import Bound

_RECORD = "warm.json"

_WARM = "warm"
"""The folder's name in the cache."""


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

    @property
    def staging(self) -> Path:
        """The staging directory; a run that was killed leaves it."""
        return self.folder.with_name(f".{self.key}.new")

    @property
    def nest(self) -> Path:
        """The LIMA_HOME in which the first of its kind boots; short, since unix sockets have short names."""
        return self.home / "_warm" / self.key[:8]

    @contextlib.contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """Against other runs that want the same machine.

        :raises TimeoutError: after ``timeout`` seconds.
        """
        _cache(self.home).mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self.folder, timeout):
            yield

    def entry(self) -> Entry | None:
        """None when there is none yet."""
        return read_json(self.folder / _RECORD, Entry)

    def vacated(self, used: Callable[[], Collection[Path]]) -> bool:
        """Whether nothing is there any more, once a machine that cannot be read has been removed; the caller
        holds the lock. One whose disk instances may stand on stays.

        :param used: the files that instances' disks are made on.
        """
        if not self.folder.exists():
            return True
        if is_anothers(_WARM, self.home) or _stood_on(self.folder, used()):
            return False
        shutil.rmtree(self.folder)
        return True

    def used(self) -> None:
        """Noted, so that the one that is used least goes first."""
        with contextlib.suppress(OSError):
            os.utime(self.folder)

    def keep(self, staging: Path, entry: Entry) -> None:
        """Take over a folder with a machine's files, where nothing is yet."""
        write_json(staging / _RECORD, entry)
        staging.rename(self.folder)


def places(home: Path) -> list[Place]:
    """All that a run has ever had a lock for, or a nest."""
    keys = [each.name[1 : -len(".lock")] for each in _cache(home).glob(".*.lock")]
    nests = [each.name for each in (home / "_warm").glob("*")]
    known = {key[:8] for key in keys}
    return [Place(home, key) for key in sorted([*keys, *(name for name in nests if name not in known)])]


def trim(home: Path, limit: int, used: Callable[[], Collection[Path]], *, check: bool = False) -> Pruned:
    """Remove what was used longest ago until the rest takes ``limit`` bytes at most.

    A cache that is a link belongs to another LIMA_HOME, of whose instances nobody knows here: it stays.

    :param used: the files that instances' disks are made on: their entries stay. Asked under an entry's
        lock, for another run may just have made an instance on it.
    :param check: remove nothing, and tell what would be.
    """
    if is_anothers(_WARM, home):
        return Pruned((), 0)
    entries = _entries(home)
    total = sum(size(each) for each in entries)
    gone: list[Path] = []
    freed = 0
    for folder in sorted(entries, key=lambda each: each.stat().st_mtime):
        if total - freed <= limit:
            break
        held = size(folder)
        if _removed(folder, used, check=check):
            freed += held
            gone.append(folder)
    return Pruned(tuple(gone), freed)


def size(folder: Path) -> int:
    """Bytes on the disk."""
    return disk_usage(folder.iterdir())


def _removed(folder: Path, used: Callable[[], Collection[Path]], *, check: bool) -> bool:
    try:
        with _locked(folder, 0.0):
            if _stood_on(folder, used()):
                return False
            if not check:
                shutil.rmtree(folder)
    except OSError:  # as when another run is at it just now
        return False
    return True


def _stood_on(folder: Path, used: Collection[Path]) -> bool:
    return folder.resolve() in {path.resolve().parent for path in used}


def _entries(home: Path) -> list[Path]:
    folder = _cache(home)
    return [each for each in folder.iterdir() if not each.name.startswith(".")] if folder.is_dir() else []


def _cache(home: Path) -> Path:
    return home / "_cache" / _WARM


@contextlib.contextmanager
def _locked(folder: Path, timeout: float) -> Iterator[None]:
    def busy(who: str) -> TimeoutError:
        return TimeoutError(f"another run prepares the same machine, for {timeout:.0f} s: {who}.")

    with exclusive(folder.with_name(f".{folder.name}.lock"), timeout, busy):
        yield
