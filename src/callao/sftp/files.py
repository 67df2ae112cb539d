# SPDX-License-Identifier: GPL-3.0-or-later
"""Open files, read and written at offsets by their descriptor; and open directories."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import os
from collections.abc import Generator
from itertools import islice

from paramiko.sftp import SFTP_OK
from paramiko.sftp_attr import SFTPAttributes
from paramiko.sftp_handle import SFTPHandle

from callao.sftp.attributes import DirectoryEntry, attributes, directory_entry, set_open_attributes
from callao.sftp.tree import OpenatPath

MAX_READ = 256 * 1024 - 1024
"""Bytes in one answer, as OpenSSH's server has it; a client that asks for more asks again."""


_ENTRIES_PER_ANSWER = 100
"""Of a directory in one answer, as OpenSSH's server has it."""


class OpenFolder(SFTPHandle):
    """A directory whose entries are read when the client asks for them, so that many open directories with
    many entries take no memory here.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._fd = descriptor
        self._rest = self._entries()

    def close(self) -> None:
        self._rest.close()
        os.close(self._fd)

    def _get_next_files(self) -> list[DirectoryEntry]:
        """The name is paramiko's."""
        return list(islice(self._rest, _ENTRIES_PER_ANSWER))

    def _entries(self) -> Generator[DirectoryEntry, None, None]:
        own = os.fstat(self._fd)
        # ".." has the attributes of ".", because those of the root's parent must not be visible.
        yield directory_entry(".", own)
        yield directory_entry("..", own)
        with os.scandir(self._fd) as found:
            for each in found:
                try:
                    status = OpenatPath(self._fd, each.name).stat()
                except FileNotFoundError:  # it is gone meanwhile
                    continue
                yield directory_entry(each.name, status)


class OpenFile(SFTPHandle):
    """An open file. Its methods raise OSError, which the session converts to an answer."""

    def __init__(self, descriptor: int, flags: int) -> None:
        super().__init__(flags)
        self._fd = descriptor

    def close(self) -> None:
        os.close(self._fd)

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, min(length, MAX_READ), offset)

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """Write all data, because the protocol cannot report a part. With O_APPEND the kernel sets the
        offset.
        """
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._fd, rest, offset)
            offset, rest = offset + written, rest[written:]
        return int(SFTP_OK)

    def stat(self) -> SFTPAttributes:
        return attributes(os.fstat(self._fd))

    def chattr(self, attr: SFTPAttributes) -> int:
        set_open_attributes(self._fd, attr)
        return int(SFTP_OK)

    def sync(self) -> None:
        os.fsync(self._fd)
