# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSH's extensions that sshfs and sftp(1) use: OpenSSH's PROTOCOL, section 4."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import errno
import os
from typing import TYPE_CHECKING

from paramiko.message import Message
from paramiko.sftp import CMD_EXTENDED_REPLY, SFTP_BAD_MESSAGE, SFTP_OK, SFTP_OP_UNSUPPORTED

from callao.sftp.files import MAX_READ
from callao.sftp.packets import MAX_PACKET
from callao.sftp.paths import os_error

if TYPE_CHECKING:
    from callao.sftp.session import Session

EXTENSIONS = (
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("limits@openssh.com", "1"),
)

_READ_ONLY, _NO_SETUID = 1, 2


def answer(session: Session, number: int, request: Message) -> None:
    """Answer one SSH_FXP_EXTENDED."""
    match request.get_text():
        case "posix-rename@openssh.com":
            _changing(session)
            session.server.posix_rename(request.get_text(), request.get_text())
            session._send_status(number, SFTP_OK)
        case "hardlink@openssh.com":
            _changing(session)
            session.server.hardlink(request.get_text(), request.get_text())
            session._send_status(number, SFTP_OK)
        case "fsync@openssh.com":
            file = session.file_table.get(request.get_string())
            if file is not None:
                file.sync()
            session._send_status(number, SFTP_BAD_MESSAGE if file is None else SFTP_OK)
        case "statvfs@openssh.com":
            _reply(session, number, _capacity(session.server.capacity(request.get_text())))
        case "limits@openssh.com":
            _reply(session, number, (MAX_PACKET, MAX_READ, MAX_READ, session.handles))
        case _:
            session._send_status(number, SFTP_OP_UNSUPPORTED)


def _changing(session: Session) -> None:
    if not session.writable:
        raise os_error(errno.EROFS)


def _capacity(found: os.statvfs_result) -> tuple[int, ...]:
    flags = (found.f_flag & os.ST_RDONLY and _READ_ONLY) | (found.f_flag & os.ST_NOSUID and _NO_SETUID)
    blocks = (found.f_bsize, found.f_frsize, found.f_blocks, found.f_bfree, found.f_bavail)
    return (*blocks, found.f_files, found.f_ffree, found.f_favail, found.f_fsid, flags, found.f_namemax)


def _reply(session: Session, number: int, values: tuple[int, ...]) -> None:
    message = Message()
    message.add_int(number)
    for value in values:
        message.add_int64(value)
    session._send_packet(CMD_EXTENDED_REPLY, message)
