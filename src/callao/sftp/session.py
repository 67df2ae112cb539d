# SPDX-License-Identifier: GPL-3.0-or-later
"""One client's session: paramiko's SFTPServer, made strict.

Differences from paramiko: requests cannot be read beyond their packet, names need not be UTF-8, a share that
is not writable accepts only requests of an allow-list, the number of handles is limited, errors keep their
meaning, and OpenSSH's extensions that sshfs uses are supported. ``check-file`` is not: sshfs does not use
it, and paramiko's implementation never returns for a length beyond the file's end.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

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
    CMD_WRITE,
    SFTP_BAD_MESSAGE,
    SFTP_EOF,
    SFTP_FAILURE,
    SFTP_OK,
    SFTPError,
)
from paramiko.sftp_server import SFTPServer

from callao.sftp.extensions import EXTENSIONS, answer
from callao.sftp.packets import packets, parse_handle, parse_read, parse_write, request_id, send_data
from callao.sftp.paths import os_error
from callao.sftp.service import Service
from callao.sftp.status import code
from callao.sftp.stream import Stream
from callao.sftp.tree import Tree

_READ_ONLY_REQUESTS = {
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
    """A request that raises an error at the end of its packet; paramiko's class returns zeros there."""

    def get_bytes(self, n: int) -> bytes:
        found = bytes(self.packet.read(n))
        if len(found) < n:
            raise os_error(errno.EINVAL)
        return found

    def get_text(self) -> str:
        """A name, which need not be UTF-8."""
        return os.fsdecode(self.get_string())


class Session(SFTPServer):
    """Serves requests until the stream ends."""

    def __init__(self, stream: Stream, tree: Tree, *, writable: bool, handles: int) -> None:
        super().__init__(stream, "sftp", None, Service, tree, writable=writable)
        self.writable = writable
        self.handles = handles

    def serve(self, stream: Stream) -> None:
        """Answer requests in this thread until the stream ends.

        :raises SFTPError: when the client does not send SFTP.
        """
        try:
            self.sock = stream
            self._send_server_version()
            self.server.session_started()
            for kind, body in packets(stream.incoming):
                number = request_id(body)
                try:
                    self._serve(kind, number, body, stream)
                except BrokenPipeError:
                    raise
                except Exception as error:  # an error must not end the session
                    self._refuse(number, error)
        except struct.error as error:
            raise SFTPError("a packet is too short") from error
        except (EOFError, BrokenPipeError):
            return
        finally:
            self.finish_subsystem()

    def _send_server_version(self) -> int:
        """SSH_FXP_VERSION (section 4), with the supported extensions."""
        kind, data = self._read_packet()
        if kind != CMD_INIT:
            raise SFTPError("the first packet is not SSH_FXP_INIT")
        message = Message()
        message.add_int(_VERSION)
        for name, revision in EXTENSIONS:
            message.add_string(name)
            message.add_string(revision)
        self._send_packet(CMD_VERSION, message)
        return int(struct.unpack(">I", data[:4])[0])

    def _serve(self, kind: int, number: int, body: bytes, stream: Stream) -> None:
        if kind == CMD_READ:
            self._read(number, body, stream)
        elif kind == CMD_WRITE:
            self._write(number, body)
        else:
            self._answer(kind, number, Request(memoryview(body)[4:]))

    def _read(self, number: int, body: bytes, stream: Stream) -> None:
        """Reads and writes bypass paramiko's Message, which would copy their content four times."""
        handle, at = parse_handle(body)
        offset, length = parse_read(body, at)
        file = self.file_table.get(handle)
        if file is None:
            self._send_status(number, SFTP_BAD_MESSAGE, "Invalid handle")
        elif data := file.read(offset, length):
            send_data(stream.outgoing, number, data)
        else:
            self._send_status(number, SFTP_EOF)

    def _write(self, number: int, body: bytes) -> None:
        if not self.writable:
            raise os_error(errno.EROFS)
        handle, at = parse_handle(body)
        offset, content = parse_write(body, at)
        file = self.file_table.get(handle)
        if file is None:
            self._send_status(number, SFTP_BAD_MESSAGE, "Invalid handle")
        else:
            self._send_status(number, file.write(offset, content))

    def _refuse(self, number: int, error: Exception) -> None:
        """An offset that is too large raises OverflowError, a truncated request struct.error."""
        said = os_error(errno.EINVAL) if isinstance(error, struct.error) else error
        if isinstance(said, OSError):
            self._send_status(number, code(said), said.strerror)
        else:
            self._send_status(number, SFTP_FAILURE)

    def _answer(self, kind: int, number: int, request: Request) -> None:
        if not self.writable and kind not in _READ_ONLY_REQUESTS:
            raise os_error(errno.EROFS)
        if kind in (CMD_OPEN, CMD_OPENDIR) and self._open_descriptors() >= self.handles:
            self._send_status(number, SFTP_FAILURE, os.strerror(errno.EMFILE))
        elif kind == CMD_OPENDIR:
            self._send_handle_response(number, self.server.open_folder(request.get_text()), folder=True)
        elif kind == CMD_CLOSE and (folder := self.folder_table.pop(_first(request), None)) is not None:
            folder.close()  # which paramiko's does not
            self._send_status(number, SFTP_OK)
        elif kind == CMD_FSETSTAT and _first(request) not in self.file_table:
            # paramiko's answer to this one is no answer of the protocol
            self._send_status(number, SFTP_BAD_MESSAGE, "Invalid handle")
        elif kind == CMD_EXTENDED:
            answer(self, number, request)
        else:
            super()._process(kind, number, request)

    def _open_descriptors(self) -> int:
        """The number of open descriptors; a directory that is being read has two."""
        return len(self.file_table) + 2 * len(self.folder_table)


def _first(request: Request) -> bytes:
    """The handle at the beginning of a request, without consuming it."""
    return bytes(Request(request.asbytes()).get_string())
