# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes unused files from the cache."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from callao.disk_usage import disk_usage
from callao.errors import ImageError
from callao.images import digest as digests
from callao.images.cache import LockWait, cache_entry, exclusive, is_of_another_home, staging_dirs
from callao.images.fetch import cached_file
from callao.images.location import parse
from callao.images.store import STORE_NAME, base_at, base_folder, identity_of

FileIds = set[tuple[int, int]]
"""Device and inode, because a download and its base image can be hard links to one file."""


@dataclass(frozen=True)
class Pruned:
    """The removed files; ``size`` is their disk usage in bytes."""

    paths: tuple[Path, ...]
    size: int


def prune(
    home: Path,
    *,
    used: Callable[[], Collection[Path]],
    referenced: Collection[str] = (),
    check: bool = False,
) -> Pruned:
    """Remove cached downloads, and base images that back no disk.

    A folder of base images that is a link to another LIMA_HOME stays, because the instances of that home are
    not known here.

    :param used: returns the files that back instances' disks, which always stay. Called again under the
        lock of each file to remove, because another run may just have made an instance on it.
    :param referenced: locations whose files stay as well.
    :param check: remove nothing, and return what would be removed.
    """
    downloads = home / "_cache" / "download" / "by-url-sha256"
    bases = [] if is_of_another_home(STORE_NAME, home) else _entries(base_folder(home))
    named = [path for location in referenced for path in _files_of(location, home)]
    gone, size = _remove_abandoned(
        [] if is_of_another_home(STORE_NAME, home) else staging_dirs(base_folder(home)), check=check
    )
    kept = _file_ids([*used(), *named])
    for path in (*_entries(downloads), *bases):
        if _is_kept(path, kept):
            continue
        freed = _remove(path, lambda: _file_ids([*used(), *named]), check=check)
        if freed is not None:
            gone.append(path)
            size += freed
    return Pruned(tuple(gone), size)


def _remove_abandoned(staging: Collection[tuple[Path, Path]], *, check: bool) -> tuple[list[Path], int]:
    """Remove unfinished base images of killed runs; returns their bytes."""
    gone: list[Path] = []
    size = 0
    for folder, target in staging:
        freed = _remove(target, lambda: set(), folder, check=check)
        if freed is not None:
            gone.append(folder)
            size += freed
    return gone, size


def _is_kept(path: Path, kept: FileIds) -> bool:
    return bool(_file_ids([path / "data" if path.is_dir() else path]) & kept)


def _file_ids(paths: Collection[Path]) -> FileIds:
    found: FileIds = set()
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found.add((status.st_dev, status.st_ino))
    return found


def _files_of(location: str, home: Path) -> list[Path]:
    """The cache's files of a location: the download, and the base images made from it."""
    try:
        found = cached_file(location, None, home)
    except ImageError:  # an invalid location has no files
        return []
    if found is None:
        return []
    place = parse(location)
    if place.path is not None:
        return [found.path, base_at(home, identity_of(found.path))]
    cached = cache_entry(home, place.url)
    noted = [cached.known_digest(name) for name in digests.ALGORITHMS]
    return [found.path, *(base_at(home, digest) for digest in noted if digest)]


def _remove(
    target: Path, kept: Callable[[], FileIds], staging: Path | None = None, *, check: bool
) -> int | None:
    """Remove a file; returns the freed bytes, None when another run has its lock or it cannot be removed.

    :param staging: removed in place of the target.
    """
    path = staging or target
    try:
        with exclusive(target, LockWait(0.0)):
            if _is_kept(path, kept()):
                return None
            size = disk_usage(path.rglob("*") if path.is_dir() else [path])
            if check:
                return size
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    except (ImageError, OSError):
        return None
    return size


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [each for each in folder.iterdir() if not each.name.startswith(".")]
