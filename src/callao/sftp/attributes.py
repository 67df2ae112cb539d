# SPDX-License-Identifier: GPL-3.0-or-later
"""File attributes as SFTP version 3 has them: draft-ietf-secsh-filexfer-02, section 5."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import errno
import os
import stat

from paramiko.sftp_attr import SFTPAttributes

from callao.sftp.paths import os_error
from callao.sftp.tree import OpenatPath

_MAX_TIME = 0xFFFF_FFFF
"""Times are unsigned 32-bit seconds: times out of this range are sent as the nearest."""

_MODE = 0o7777


class DirectoryEntry(SFTPAttributes):
    """One line of a directory; its name is bytes, as it need not be UTF-8."""

    def asbytes(self) -> bytes:
        """The ``longname``: a line as ``ls -l`` prints it."""
        head = str(self).encode(errors="surrogateescape")
        return head.removesuffix(str(self.filename).encode()) + bytes(self.filename)


def attributes(found: os.stat_result) -> SFTPAttributes:
    attr = SFTPAttributes.from_stat(found)
    _clamp(attr)
    return attr


def directory_entry(name: str, found: os.stat_result) -> DirectoryEntry:
    attr: DirectoryEntry = DirectoryEntry.from_stat(found, filename=os.fsencode(name))
    _clamp(attr)
    return attr


def _clamp(attr: SFTPAttributes) -> None:
    attr.st_atime = min(max(int(attr.st_atime), 0), _MAX_TIME)
    attr.st_mtime = min(max(int(attr.st_mtime), 0), _MAX_TIME)


def mode_of(attr: SFTPAttributes, default: int) -> int:
    """The permissions that a new file or directory is to have, before the umask."""
    return default if attr.st_mode is None else int(attr.st_mode) & _MODE


def set_attributes(place: OpenatPath, attr: SFTPAttributes) -> None:
    """SETSTAT, in the order of OpenSSH's server; changes a symlink itself, never its target."""
    if attr.st_size is not None:
        descriptor = place.open_regular(os.O_WRONLY)
        try:
            os.ftruncate(descriptor, attr.st_size)
        finally:
            os.close(descriptor)
    if attr.st_mode is not None:
        _chmod(place, attr.st_mode & _MODE)
    if attr.st_mtime is not None:
        times = (attr.st_atime, attr.st_mtime)
        os.utime(place.name, times, dir_fd=place.parent, follow_symlinks=False)
    if attr.st_uid is not None:
        os.chown(place.name, attr.st_uid, attr.st_gid, dir_fd=place.parent, follow_symlinks=False)


def set_open_attributes(descriptor: int, attr: SFTPAttributes) -> None:
    """FSETSTAT."""
    if attr.st_size is not None:
        os.ftruncate(descriptor, attr.st_size)
    if attr.st_mode is not None:
        os.fchmod(descriptor, attr.st_mode & _MODE)
    if attr.st_mtime is not None:
        os.utime(descriptor, (attr.st_atime, attr.st_mtime))
    if attr.st_uid is not None:
        os.fchown(descriptor, attr.st_uid, attr.st_gid)


def _chmod(place: OpenatPath, mode: int) -> None:
    if sys.platform != "linux":
        os.chmod(place.name, mode, dir_fd=place.parent, follow_symlinks=False)
        return
    # fchmodat(2) of older kernels cannot spare a link, and fchmod(2) needs a file that may be read:
    # a pinned inode's name in /proc needs neither, and always leads to that inode.
    with place.open_path_only() as descriptor:
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            raise os_error(errno.EOPNOTSUPP)
        os.chmod(f"/proc/self/fd/{descriptor}", mode)  # noqa: PTH101
