# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache freed of what nothing needs."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from callao.images.cache import entry


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
    kept = {path.resolve() for path in used} | {entry(home, url).data.resolve() for url in referred}
    gone: list[Path] = []
    size = 0
    for folder in _entries(downloads):
        if (folder / "data").resolve() not in kept:
            size += sum(_size(file) for file in folder.rglob("*"))
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(folder)
    for file in _entries(converted):
        if file.resolve() not in kept and file.is_file():
            size += _size(file)
            file.unlink(missing_ok=True)
            gone.append(file)
    return Pruned(tuple(gone), size)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [each for each in folder.iterdir() if not each.name.startswith(".")]


def _size(path: Path) -> int:
    status = path.lstat()
    return getattr(status, "st_blocks", 0) * 512 or status.st_size
