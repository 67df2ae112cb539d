# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are replaced as a whole or not at all: written beside the old one, then renamed over it.

Quick to import, and so without tempfile.
"""

from __future__ import annotations

import contextlib
import enum
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


class Durability(enum.Enum):
    """What the new content has to survive. Our own end, at any moment, it always does."""

    POWER_FAILURE = enum.auto()
    """The content is flushed before the rename, and the folder after: each costs a write to the disk."""
    REBOOT_ENDS_IT = enum.auto()
    """For what means nothing after the host's next boot, or is made anew when it is missing."""


@contextlib.contextmanager
def replacing(path: Path, durability: Durability = Durability.POWER_FAILURE) -> Iterator[Path]:
    """The path at which the block makes the new content; it takes the place of ``path`` when the block ends.

    It is a hidden one in the same folder, and another each time, so that two runs at once do not meet. When
    the block fails, nothing is left of it, and what was at ``path`` stays.

    :raises OSError: with the name of ``path`` where the system names none, as for a full disk.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid():x}-{os.urandom(4).hex()}")
    try:
        yield fresh
        put_in_place(fresh, path, durability)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def put_in_place(fresh: Path, path: Path, durability: Durability = Durability.POWER_FAILURE) -> None:
    """Rename a finished file over ``path``, on the same file system."""
    if durability is Durability.POWER_FAILURE:
        sync_file(fresh)
    fresh.replace(path)
    if durability is Durability.POWER_FAILURE:
        sync_folder(path.parent)


def write_file(
    path: Path, data: bytes, *, mode: int = 0o644, durability: Durability = Durability.POWER_FAILURE
) -> None:
    """Replace the file at ``path``; the new one has ``mode`` from its beginning."""
    with replacing(path, durability) as fresh:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        fresh.chmod(mode)


def write_volatile(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """The same without a flush: see :attr:`Durability.REBOOT_ENDS_IT`."""
    write_file(path, data, mode=mode, durability=Durability.REBOOT_ENDS_IT)


def make_file(path: Path, make: Callable[[Path], object]) -> None:
    """Replace ``path`` by what ``make`` makes at the path that it is given."""
    with replacing(path) as fresh:
        make(fresh)


def put_folder_in_place(fresh: Path, path: Path) -> None:
    """Give a finished folder, with all that is in it, the name ``path``, which nothing has yet."""
    for each in fresh.rglob("*"):
        if each.is_file() and not each.is_symlink():
            sync_file(each)
        elif each.is_dir():
            sync_folder(each)
    sync_folder(fresh)
    fresh.rename(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Have a file's content survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power failure, where the file system can do that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
