# SPDX-License-Identifier: GPL-3.0-or-later
"""An open file: reads and writes at offsets, by its descriptor alone."""

from __future__ import annotations

import os

from paramiko.sftp import SFTP_OK
from paramiko.sftp_attr import SFTPAttributes
from paramiko.sftp_handle import SFTPHandle

from callao.sftp.attributes import attributes, change_open

LONGEST = 256 * 1024 - 1024
"""Bytes in one answer, as OpenSSH's server has it; a client that asks for more asks again."""


class OpenFile(SFTPHandle):
    """Errors are raised: the session turns them into answers."""

    def __init__(self, descriptor: int, flags: int) -> None:
        super().__init__(flags)
        self._fd = descriptor

    def close(self) -> None:
        os.close(self._fd)

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, min(length, LONGEST), offset)

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """All of it: the protocol has no word for a part. With O_APPEND the kernel picks the offset."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._fd, rest, offset)
            offset, rest = offset + written, rest[written:]
        return int(SFTP_OK)

    def stat(self) -> SFTPAttributes:
        return attributes(os.fstat(self._fd))

    def chattr(self, attr: SFTPAttributes) -> int:
        change_open(self._fd, attr)
        return int(SFTP_OK)

    def sync(self) -> None:
        os.fsync(self._fd)
