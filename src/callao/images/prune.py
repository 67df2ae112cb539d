# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache freed of what nothing needs."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from callao.errors import ImageError
from callao.images.cache import converted_at
from callao.images.fetch import lookup
from callao.room import taken


@dataclass(frozen=True)
class Pruned:
    """What was removed; ``size`` in bytes, as the disk has it."""

    paths: tuple[Path, ...]
    size: int


def prune(home: Path, *, used: Collection[Path], referred: Collection[str] = ()) -> Pruned:
    """Remove cached downloads and conversions.

    :param used: files that instances' disks are made on: they stay, whatever else is asked.
    :param referred: locations that stay as well.
    """
    downloads, converted = home / "_cache" / "download" / "by-url-sha256", home / "_cache" / "qcow2"
    kept = {path.resolve() for path in used}
    for location in referred:
        kept |= _held(location, home)
    gone: list[Path] = []
    size = 0
    for path in (*_entries(downloads), *_entries(converted)):
        held = path / "data" if path.is_dir() else path
        if held.resolve() not in kept:
            freed = _removed(path)
            if freed is not None:
                gone.append(path)
                size += freed
    return Pruned(tuple(gone), size)


def _held(location: str, home: Path) -> set[Path]:
    """What the cache has of a location: the file, and what was made from it."""
    try:
        found = lookup(location, None, home)
    except ImageError:  # a location that cannot be one holds nothing
        return set()
    if found is None:
        return set()
    status = found.path.stat()
    made = converted_at(home, f"{found.path}\n{status.st_size}\n{status.st_mtime_ns}")
    return {found.path.resolve(), made.resolve()}


def _removed(path: Path) -> int | None:
    """The bytes that it freed; None when another run is at it just now, or it cannot be removed."""
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        with lock:
            if path.is_dir():
                size = taken(path.rglob("*"))
                shutil.rmtree(path)
            else:
                size = taken([path])
                path.unlink()
    except (Timeout, OSError):
        return None
    return size


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [each for each in folder.iterdir() if not each.name.startswith(".")]
