# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection to a server in this guest, made for a client on the host."""

import sys

assert sys.platform == "linux"

import errno
import select
import socket
from collections.abc import Callable

from callao.guest.frames import SEGMENT, FrameError, Kind, Piece
from callao.guest.link import Link
from callao.guest.streams.window import CREDIT, GRANT, WINDOW, unpack_credit


class TcpStream:
    """``near`` is a non-blocking socket; ``ended`` is called with the number when the stream has ended."""

    def __init__(self, link: Link, number: int, near: socket.socket, ended: "Callable[[int], None]") -> None:
        self._link = link
        self._number = number
        self._near = near
        self._ended = ended
        self._connected = False

        self._send_window = WINDOW
        """Bytes that may still be sent to the host."""
        self._eof_sent = False
        """Whether the server has sent everything, and the host was told by END."""

        self._receive_window = WINDOW
        """Bytes that the host may still send."""
        self._unacknowledged = 0
        """Bytes that were passed to the server, and not yet acknowledged to the host by CREDIT."""
        self._unsent = bytearray()
        self._eof_received = False
        """Whether the host has sent END."""

    def connect(self, address: "tuple[str, int]") -> None:
        """:raises OSError: when it is refused at once."""
        try:
            self._near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            error = self._near.connect_ex(address)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, "not connected")
        except OSError:
            self.close()
            raise
        self._watch()

    def take(self, piece: Piece) -> None:
        """:raises FrameError: when the host does not keep to what was agreed."""
        if piece.kind is Kind.DATA:
            self._receive_window -= len(piece.data)
            if self._receive_window < 0 or self._eof_received:
                raise FrameError(f"stream {self._number} was sent more than was granted")
            self._unsent += piece.data
            self._flush()
        elif piece.kind is Kind.CREDIT:
            self._send_window += unpack_credit(piece.data)
            self._watch()
        elif piece.kind is Kind.END:
            self._eof_received = True
            self._flush()
        else:
            self.close()

    def close(self) -> None:
        self._link.unwatch(self._near.fileno())
        self._near.close()
        self._ended(self._number)

    def _ready(self, events: int) -> None:
        if not self._connected:
            self._connected = True
            if self._near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._fail()
                return
        if events & select.POLLOUT:
            self._flush()
        if events & ~select.POLLOUT and self._near.fileno() >= 0:
            self._read()

    def _read(self) -> None:
        if not self._wants():
            self._watch()
            return
        try:
            data = self._near.recv(min(SEGMENT, self._send_window))
        except BlockingIOError:
            return
        except OSError:
            self._fail()
            return
        if data:
            self._send_window -= len(data)
            self._link.send_piece(Kind.DATA, self._number, data)
        else:
            self._eof_sent = True
            self._link.send_piece(Kind.END, self._number)
        self._settle()

    def _flush(self) -> None:
        """Write to the server as much as its socket takes."""
        if not self._connected:
            return
        try:
            while self._unsent:
                sent = self._near.send(self._unsent)
                del self._unsent[:sent]
                self._unacknowledged += sent
            if self._eof_received:
                self._near.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self._fail()
            return
        if self._unacknowledged >= GRANT and not self._eof_received:
            self._link.send_piece(Kind.CREDIT, self._number, CREDIT.pack(self._unacknowledged))
            self._receive_window += self._unacknowledged
            self._unacknowledged = 0
        self._settle()

    def _settle(self) -> None:
        if self._eof_sent and self._eof_received and not self._unsent:
            self.close()
        else:
            self._watch()

    def _wants(self) -> bool:
        """Whether bytes of the server could be sent to the host now."""
        return self._connected and not self._eof_sent and self._send_window > 0 and not self._link.crowded

    def _watch(self) -> None:
        events = select.POLLIN if self._wants() else 0
        if self._unsent or not self._connected:
            events |= select.POLLOUT
        if events:
            self._link.watch(self._near.fileno(), events, self._ready)
        else:  # poll(2) would report a hang-up again and again
            self._link.unwatch(self._near.fileno())
        if self._link.crowded:
            self._link.when_relieved(self._number, self._relieved)

    def _relieved(self) -> None:
        if self._near.fileno() >= 0:
            self._watch()

    def _fail(self) -> None:
        self._link.send_piece(Kind.RESET, self._number)
        self.close()
