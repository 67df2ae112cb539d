# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a file of the host at a path, without following a link that the guest may have made.

The guest writes in the shared directories that are ``writable``. Inside of those no symlink is followed, so
that a link there does not redirect the file to another place of the host. Each component is opened relative
to the one before it (openat(2)), so that there is no race between the check and the use.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import errno
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MAX_SYMLINKS = 40
"""In one path, as Linux has it: path_resolution(7)."""

FileId = tuple[int, int]
"""Device and inode."""


@dataclass
class NewFile:
    """A file that is being written; it replaces the one at its path if ``complete`` is set in the end."""

    file: BinaryIO
    complete: bool = False


@contextlib.contextmanager
def new_file(path: Path, shared: Collection[FileId]) -> Iterator[NewFile]:
    """A new file for ``path``, for this user alone, as are the folders of ``path`` that are missing.

    :param shared: the directories in which the guest writes.
    :raises OSError: when it cannot be written, or is reached by a link inside of a shared directory.
    """
    fresh = f".{path.name}.{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _folder(path.parent, shared) as folder:
        descriptor = os.open(fresh, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                new = NewFile(file)
                yield new
            if new.complete:
                os.rename(fresh, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=folder)


def remove_file(path: Path, shared: Collection[FileId]) -> None:
    """Remove the file or link at ``path``, if there is one.

    :raises OSError: when it cannot be removed, or is reached by a link inside of a shared directory.
    """
    with _folder(path.parent, shared) as folder, contextlib.suppress(FileNotFoundError):
        os.unlink(path.name, dir_fd=folder)


@contextlib.contextmanager
def _folder(folder: Path, shared: Collection[FileId]) -> Iterator[int]:
    descriptor = _walk(folder, shared)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _walk(folder: Path, shared: Collection[FileId]) -> int:
    todo = list(reversed(folder.parts[1:]))
    here = os.open("/", _FOLDER)
    in_shared, links = False, 0
    try:
        while todo:
            name = todo.pop()
            below = _enter(here, name)
            if below is not None:
                os.close(here)
                here = below
                in_shared = in_shared or _id(os.fstat(here)) in shared
                continue
            links += 1
            if in_shared or links > _MAX_SYMLINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
            target = Path(os.readlink(name, dir_fd=here))
            if target.is_absolute():
                os.close(here)
                here = os.open("/", _FOLDER)
            todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    except BaseException:
        os.close(here)
        raise
    return here


def _enter(here: int, name: str) -> int | None:
    """The directory ``name`` in ``here``, which is made if it is missing; None for a symlink."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=here)
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
    except OSError as error:
        # Linux reports a link as ENOTDIR, as O_DIRECTORY is given, and macOS as ELOOP.
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        try:
            os.readlink(name, dir_fd=here)
        except OSError:
            raise error from None
        return None


def _id(found: os.stat_result) -> FileId:
    return found.st_dev, found.st_ino
