# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces files atomically: writes the new file in the same folder, then renames it over the old one.

Does not import tempfile, because quick commands import this module.
"""

from __future__ import annotations

import contextlib
import enum
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


class Durability(enum.Enum):
    """What the new content has to survive. It always survives the end of our own process."""

    POWER_FAILURE = enum.auto()
    """Flushes the content before the rename and the folder after it: each costs a write to the disk."""
    REBOOT_ENDS_IT = enum.auto()
    """No flush: for files that are useless after a reboot, or that are made again when they are missing."""


@contextlib.contextmanager
def replacing(path: Path, durability: Durability = Durability.POWER_FAILURE) -> Iterator[Path]:
    """Yields a temporary path; the file that the block writes there replaces ``path`` when the block ends.

    The temporary file is hidden, in the same folder, and has a random name, so that two processes do not
    write the same one. When the block fails, it is removed, and the old file at ``path`` stays.

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


def create_file(path: Path, data: bytes) -> bool:
    """Write a new file, whole from its beginning; False where there is one already, which stays."""
    fresh = path.with_name(f".{path.name}.{os.getpid():x}-{os.urandom(4).hex()}")
    try:
        write_file(fresh, data)
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def write_volatile(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Like :func:`write_file`, without a flush: see :attr:`Durability.REBOOT_ENDS_IT`."""
    write_file(path, data, mode=mode, durability=Durability.REBOOT_ENDS_IT)


def make_file(path: Path, make: Callable[[Path], object]) -> None:
    """Replace ``path`` by the file that ``make`` writes at the temporary path it is called with."""
    with replacing(path) as fresh:
        make(fresh)


def put_folder_in_place(fresh: Path, path: Path) -> None:
    """Flush a finished folder and everything in it, and rename it to ``path``, which must not exist."""
    for each in fresh.rglob("*"):
        if each.is_file() and not each.is_symlink():
            sync_file(each)
        elif each.is_dir():
            sync_folder(each)
    sync_folder(fresh)
    fresh.rename(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Flush a file's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the file system supports that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
