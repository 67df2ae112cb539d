# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the contents of files by their digest, and writes them back."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from callao.errors import CallaoError
from callao.mcp.checkpoints.listing import Entry, Listing, changes

_CHUNK = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Store:
    """Files named by their SHA-256 in one folder of the host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, descriptor: int) -> str:
        """Copy the rest of an open file; returns its digest.

        :raises OSError: when it cannot be read.
        :raises CallaoError: when the copy cannot be written, as on a full disk.
        """
        temporary = self.folder / f".{secrets.token_hex(8)}"
        found = hashlib.sha256()
        try:
            with _writing(temporary), temporary.open("xb") as copy:
                while data := _read(descriptor):
                    found.update(data)
                    copy.write(data)
                copy.flush()
                temporary.rename(self.folder / found.hexdigest())
        except _ReadError as error:
            raise error.reason from None
        finally:
            temporary.unlink(missing_ok=True)
        return found.hexdigest()

    def sweep(self, used: set[str]) -> None:
        """Remove all but the digests in ``used``."""
        for file in self.folder.iterdir():
            if file.name not in used:
                file.unlink(missing_ok=True)

    def restore(self, root: Path, wanted: Listing, present: Listing) -> tuple[list[str], list[str]]:
        """Make what is below ``root`` as it was; returns the paths that changed, and those that could not.

        Directories are entered relative to each other and never through a link: the guest may replace one
        meanwhile, to have the host write elsewhere.
        """
        done: list[str] = []
        failed: list[str] = []
        todo = [each.path for each in changes(wanted, present)]
        top = os.open(root, _FOLDER)
        try:
            for path in sorted(todo, reverse=True):  # what lies in a directory before the directory
                old, new = wanted.entries.get(path), present.entries.get(path)
                if new is not None and (old is None or old.kind != new.kind or new.kind == "l"):
                    self._attempt(failed, path, top, None)
            for path in sorted(todo):
                entry = wanted.entries.get(path)
                if path not in failed and (entry is None or self._attempt(failed, path, top, entry)):
                    done.append(path)
        finally:
            os.close(top)
        return done, sorted(set(failed))

    def _attempt(self, failed: list[str], path: str, top: int, entry: Entry | None) -> bool:
        folder, _, name = path.rpartition("/")
        try:
            with _entered(top, folder) as parent:
                if entry is None:
                    _remove(name, parent)
                else:
                    self._write(name, parent, entry)
        except OSError:
            failed.append(path)
            return False
        return True

    def _write(self, name: str, parent: int, entry: Entry) -> None:
        if entry.kind == "d":
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=parent)
            descriptor = os.open(name, _FOLDER, dir_fd=parent)
            try:
                os.fchmod(descriptor, entry.mode)
            finally:
                os.close(descriptor)
        elif entry.kind == "l":
            os.symlink(entry.content, name, dir_fd=parent)
        else:
            self._write_file(name, parent, entry)

    def _write_file(self, name: str, parent: int, entry: Entry) -> None:
        temporary = f".callao-{secrets.token_hex(8)}"
        with (self.folder / entry.content).open("rb") as source:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(temporary, flags, 0o600, dir_fd=parent)
            try:
                with os.fdopen(descriptor, "wb", closefd=False) as target:
                    while data := source.read(_CHUNK):
                        target.write(data)
                os.fchmod(descriptor, entry.mode)
                os.utime(descriptor, ns=(entry.modified, entry.modified))
                os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=parent)
                raise
            finally:
                os.close(descriptor)


class _ReadError(Exception):
    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except OSError as error:
        raise _ReadError(error) from error


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CallaoError(f"{path.parent}: a file cannot be kept: {error.strerror}.") from error


def _remove(name: str, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except (IsADirectoryError, PermissionError):
        os.rmdir(name, dir_fd=parent)


@contextlib.contextmanager
def _entered(top: int, folder: str) -> Iterator[int]:
    """A directory below ``top``, which no link leads to."""
    here = os.dup(top)
    try:
        for name in folder.split("/") if folder else ():
            below = os.open(name, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)
