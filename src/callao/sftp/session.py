# SPDX-License-Identifier: GPL-3.0-or-later
"""One client's session: paramiko's SFTPServer, made strict.

What is added: packets are bounded by their own end, names need not be UTF-8, a share that is not
writable refuses by an allow-list, handles are bounded, errors keep their meaning, and OpenSSH's
extensions that sshfs uses are spoken. ``check-file`` is left out: nobody here uses it, and on a
length past the file's end paramiko's never returns.
"""

from __future__ import annotations

import errno
import os
import struct

from paramiko.message import Message
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_FSETSTAT,
    CMD_FSTAT,
    CMD_INIT,
    CMD_LSTAT,
    CMD_OPEN,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_READLINK,
    CMD_REALPATH,
    CMD_STAT,
    CMD_VERSION,
    SFTP_BAD_MESSAGE,
    SFTP_FAILURE,
    SFTPError,
)
from paramiko.sftp_server import SFTPServer

from callao.sftp.extensions import OFFERED, answer
from callao.sftp.paths import refusal
from callao.sftp.service import Service
from callao.sftp.status import code
from callao.sftp.stream import Stream
from callao.sftp.tree import Tree

_HARMLESS = {
    CMD_CLOSE,
    CMD_EXTENDED,  # each asks for itself
    CMD_FSTAT,
    CMD_LSTAT,
    CMD_OPEN,  # asks for itself
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_READLINK,
    CMD_REALPATH,
    CMD_STAT,
}

_VERSION = 3


class Request(Message):
    """A request that ends where its packet ends; paramiko's own reads zeros from there on."""

    def get_bytes(self, n: int) -> bytes:
        found = bytes(self.packet.read(n))
        if len(found) < n:
            raise refusal(errno.EINVAL)
        return found

    def get_text(self) -> str:
        """A name, whatever its bytes."""
        return os.fsdecode(self.get_string())


class Session(SFTPServer):
    """Serves until the stream ends."""

    def __init__(self, stream: Stream, tree: Tree, *, writable: bool, handles: int) -> None:
        super().__init__(stream, "sftp", None, Service, tree, writable=writable)
        self.writable = writable
        self.handles = handles

    def serve(self, stream: Stream) -> None:
        """Answer until the client is gone, in this thread.

        :raises SFTPError: when what comes is not SFTP.
        """
        try:
            self.start_subsystem("sftp", stream, stream)
        except struct.error as error:
            raise SFTPError("a packet is too short") from error
        except (EOFError, BrokenPipeError):
            return
        finally:
            self.finish_subsystem()

    def _send_server_version(self) -> int:
        """Section 4, with the extensions that are spoken here."""
        kind, data = self._read_packet()
        if kind != CMD_INIT:
            raise SFTPError("the first packet is not SSH_FXP_INIT")
        message = Message()
        message.add_int(_VERSION)
        for name, revision in OFFERED:
            message.add_string(name)
            message.add_string(revision)
        self._send_packet(CMD_VERSION, message)
        return int(struct.unpack(">I", data[:4])[0])

    def _process(self, t: int, request_number: int, msg: Message) -> None:
        try:
            self._answer(t, request_number, Request(msg.get_remainder()))
        except OSError as error:
            self._send_status(request_number, code(error), error.strerror)

    def _answer(self, kind: int, number: int, request: Request) -> None:
        if not self.writable and kind not in _HARMLESS:
            raise refusal(errno.EROFS)
        if kind in (CMD_OPEN, CMD_OPENDIR) and len(self.file_table) + len(self.folder_table) >= self.handles:
            self._send_status(number, SFTP_FAILURE, os.strerror(errno.EMFILE))
        elif kind == CMD_FSETSTAT and Request(request.asbytes()).get_string() not in self.file_table:
            # paramiko's answer to this one is no answer of the protocol
            self._send_status(number, SFTP_BAD_MESSAGE, "Invalid handle")
        elif kind == CMD_EXTENDED:
            answer(self, number, request)
        else:
            super()._process(kind, number, request)
