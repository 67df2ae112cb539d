# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests that name a path, each done relative to a held directory.

Whether a change is allowed at all was decided before, in ``session``; errors are raised, and become
answers there.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import errno
import os
import stat

from paramiko.server import ServerInterface
from paramiko.sftp import SFTP_OK
from paramiko.sftp_attr import SFTPAttributes
from paramiko.sftp_si import SFTPServerInterface

from callao.sftp.attributes import attributes, change, mode_of
from callao.sftp.files import OpenFile, OpenFolder
from callao.sftp.paths import refusal
from callao.sftp.tree import PIN, Place, Tree

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_EXCL


class Service(SFTPServerInterface):
    """What paramiko's SFTPServer asks for; the names are its own."""

    def __init__(self, server: ServerInterface, tree: Tree, *, writable: bool) -> None:
        super().__init__(server)
        self._tree = tree
        self._writable = writable

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> OpenFile:
        if flags & _CHANGING and not self._writable:
            raise refusal(errno.EROFS)
        through = not flags & os.O_EXCL  # O_EXCL: a link in the way is a file in the way
        with self._tree.place(path, through=through) as place:
            return OpenFile(place.opened(flags, mode_of(attr, 0o666)), flags)

    def open_folder(self, path: str) -> OpenFolder:
        with self._tree.place(path, through=True) as place, place.pinned(_FOLDER) as folder:
            return OpenFolder(os.dup(folder))

    def stat(self, path: str) -> SFTPAttributes:
        with self._tree.place(path, through=True) as place:
            return attributes(place.stat())

    def lstat(self, path: str) -> SFTPAttributes:
        with self._tree.place(path) as place:
            return attributes(place.stat())

    def chattr(self, path: str, attr: SFTPAttributes) -> int:
        with self._tree.place(path, through=True) as place:
            change(place, attr)
        return int(SFTP_OK)

    def mkdir(self, path: str, attr: SFTPAttributes) -> int:
        with self._tree.place(path) as place:
            os.mkdir(place.named().name, mode_of(attr, 0o777), dir_fd=place.parent)
        return int(SFTP_OK)

    def rmdir(self, path: str) -> int:
        with self._tree.place(path) as place:
            os.rmdir(place.named().name, dir_fd=place.parent)
        return int(SFTP_OK)

    def remove(self, path: str) -> int:
        with self._tree.place(path) as place:
            os.unlink(place.named().name, dir_fd=place.parent)
        return int(SFTP_OK)

    def rename(self, oldpath: str, newpath: str) -> int:
        """Version 3's rename, which replaces nothing: link and unlink where the kernel can be asked."""
        with self._tree.place(oldpath) as old, self._tree.place(newpath) as new:
            if stat.S_ISDIR(old.named().stat().st_mode):
                with contextlib.suppress(FileNotFoundError):
                    new.named().stat()
                    raise refusal(errno.EEXIST)
                _move(old, new.named())
            else:
                _link(old, new.named())
                os.unlink(old.name, dir_fd=old.parent)
        return int(SFTP_OK)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        with self._tree.place(oldpath) as old, self._tree.place(newpath) as new:
            _move(old.named(), new.named())
        return int(SFTP_OK)

    def hardlink(self, oldpath: str, newpath: str) -> None:
        with self._tree.place(oldpath) as old, self._tree.place(newpath) as new:
            _link(old.named(), new.named())

    def symlink(self, target_path: str, path: str) -> int:
        """The target is text: where it leads is asked when it is followed."""
        if "\0" in target_path:
            raise refusal(errno.EINVAL)
        with self._tree.place(path) as place:
            os.symlink(target_path, place.named().name, dir_fd=place.parent)
        return int(SFTP_OK)

    def readlink(self, path: str) -> bytes:
        with self._tree.place(path) as place:
            return os.fsencode(os.readlink(place.named().name, dir_fd=place.parent))

    def canonicalize(self, path: str) -> bytes:
        """A client that asks where it is, is in the root."""
        if path in ("", "."):
            return os.fsencode(self._tree.root)
        with self._tree.place(path):
            return os.fsencode(os.path.normpath(path))

    def capacity(self, path: str) -> os.statvfs_result:
        with self._tree.place(path, through=True) as place, place.pinned(PIN) as descriptor:
            return os.fstatvfs(descriptor)


def _move(old: Place, new: Place) -> None:
    os.rename(old.name, new.name, src_dir_fd=old.parent, dst_dir_fd=new.parent)


def _link(old: Place, new: Place) -> None:
    os.link(old.name, new.name, src_dir_fd=old.parent, dst_dir_fd=new.parent, follow_symlinks=False)
