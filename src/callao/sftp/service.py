# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests that name a path, carried out relative to an open directory.

``session`` has checked before that changes are allowed, and converts the OSErrors raised here to answers.
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

from callao.sftp.attributes import attributes, mode_of, set_attributes
from callao.sftp.files import OpenFile, OpenFolder
from callao.sftp.paths import os_error
from callao.sftp.tree import PATH_ONLY, OpenatPath, Tree

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_EXCL


class Service(SFTPServerInterface):
    """The interface that paramiko's SFTPServer calls; the names of the methods are paramiko's."""

    def __init__(self, server: ServerInterface, tree: Tree, *, writable: bool) -> None:
        super().__init__(server)
        self._tree = tree
        self._writable = writable

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> OpenFile:
        if flags & _WRITING and not self._writable:
            raise os_error(errno.EROFS)
        follow_last = not flags & os.O_EXCL  # O_EXCL: a link in the way is a file in the way
        with self._tree.place(path, follow_last=follow_last) as place:
            return OpenFile(place.open_regular(flags, mode_of(attr, 0o666)), flags)

    def open_folder(self, path: str) -> OpenFolder:
        with self._tree.place(path, follow_last=True) as place, place.open_path_only(_DIRECTORY) as folder:
            return OpenFolder(os.dup(folder))

    def stat(self, path: str) -> SFTPAttributes:
        with self._tree.place(path, follow_last=True) as place:
            return attributes(place.stat())

    def lstat(self, path: str) -> SFTPAttributes:
        with self._tree.place(path) as place:
            return attributes(place.stat())

    def chattr(self, path: str, attr: SFTPAttributes) -> int:
        with self._tree.place(path, follow_last=True) as place:
            set_attributes(place, attr)
        return int(SFTP_OK)

    def mkdir(self, path: str, attr: SFTPAttributes) -> int:
        with self._tree.place(path) as place:
            os.mkdir(place.writable_entry().name, mode_of(attr, 0o777), dir_fd=place.parent)
        return int(SFTP_OK)

    def rmdir(self, path: str) -> int:
        with self._tree.place(path) as place:
            os.rmdir(place.writable_entry().name, dir_fd=place.parent)
        return int(SFTP_OK)

    def remove(self, path: str) -> int:
        with self._tree.place(path) as place:
            os.unlink(place.writable_entry().name, dir_fd=place.parent)
        return int(SFTP_OK)

    def rename(self, oldpath: str, newpath: str) -> int:
        """The rename of SFTP version 3, which must not replace a file: link, then unlink."""
        with self._tree.place(oldpath) as old, self._tree.place(newpath) as new:
            if stat.S_ISDIR(old.writable_entry().stat().st_mode):
                with contextlib.suppress(FileNotFoundError):
                    new.writable_entry().stat()
                    raise os_error(errno.EEXIST)
                _move(old, new.writable_entry())
            else:
                _link(old, new.writable_entry())
                os.unlink(old.name, dir_fd=old.parent)
        return int(SFTP_OK)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        with self._tree.place(oldpath) as old, self._tree.place(newpath) as new:
            _move(old.writable_entry(), new.writable_entry())
        return int(SFTP_OK)

    def hardlink(self, oldpath: str, newpath: str) -> None:
        with self._tree.place(oldpath) as old, self._tree.place(newpath) as new:
            _link(old.writable_entry(), new.writable_entry())

    def symlink(self, target_path: str, path: str) -> int:
        """The target is not checked here: path resolution checks it when the link is followed."""
        if "\0" in target_path:
            raise os_error(errno.EINVAL)
        with self._tree.place(path) as place:
            os.symlink(target_path, place.writable_entry().name, dir_fd=place.parent)
        return int(SFTP_OK)

    def readlink(self, path: str) -> bytes:
        with self._tree.place(path) as place:
            return os.fsencode(os.readlink(place.writable_entry().name, dir_fd=place.parent))

    def canonicalize(self, path: str) -> bytes:
        """The absolute path; the client's working directory is the root."""
        if path in ("", "."):
            return os.fsencode(self._tree.root)
        with self._tree.place(path):
            return os.fsencode(os.path.normpath(path))

    def capacity(self, path: str) -> os.statvfs_result:
        with (
            self._tree.place(path, follow_last=True) as place,
            place.open_path_only(PATH_ONLY) as descriptor,
        ):
            return os.fstatvfs(descriptor)


def _move(old: OpenatPath, new: OpenatPath) -> None:
    os.rename(old.name, new.name, src_dir_fd=old.parent, dst_dir_fd=new.parent)


def _link(old: OpenatPath, new: OpenatPath) -> None:
    os.link(old.name, new.name, src_dir_fd=old.parent, dst_dir_fd=new.parent, follow_symlinks=False)
