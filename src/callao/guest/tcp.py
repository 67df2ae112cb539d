# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection of a server of this guest, made for a client on the host."""

import errno
import select
import socket
from collections.abc import Callable

from callao.guest.frames import SEGMENT, FrameError, Kind, Piece
from callao.guest.link import Link
from callao.guest.streams import CREDIT, GRANT, WINDOW, unpack_credit


class TcpStream:
    """``near`` is a socket that does not block; ``ended`` is told the number, once, when all is over."""

    def __init__(self, link: Link, number: int, near: socket.socket, ended: "Callable[[int], None]") -> None:
        self._link = link
        self._number = number
        self._near = near
        self._ended = ended
        self._connected = False

        self._room = WINDOW
        """Bytes that the host takes, still."""
        self._heard_all = False
        """The server sends nothing more."""

        self._expected = WINDOW
        """Bytes that the host may send, still."""
        self._passed = 0
        """Bytes that the server has taken, and that were not granted again."""
        self._unsent = bytearray()
        self._told_all = False
        """The host sends nothing more."""

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
            self._expected -= len(piece.data)
            if self._expected < 0 or self._told_all:
                raise FrameError(f"stream {self._number} was sent more than was granted")
            self._unsent += piece.data
            self._flush()
        elif piece.kind is Kind.CREDIT:
            self._room += unpack_credit(piece.data)
            self._watch()
        elif piece.kind is Kind.END:
            self._told_all = True
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
            data = self._near.recv(min(SEGMENT, self._room))
        except BlockingIOError:
            return
        except OSError:
            self._fail()
            return
        if data:
            self._room -= len(data)
            self._link.send_piece(Kind.DATA, self._number, data)
        else:
            self._heard_all = True
            self._link.send_piece(Kind.END, self._number)
        self._settle()

    def _flush(self) -> None:
        """Pass on what the server takes."""
        if not self._connected:
            return
        try:
            while self._unsent:
                sent = self._near.send(self._unsent)
                del self._unsent[:sent]
                self._passed += sent
            if self._told_all:
                self._near.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self._fail()
            return
        if self._passed >= GRANT and not self._told_all:
            self._link.send_piece(Kind.CREDIT, self._number, CREDIT.pack(self._passed))
            self._expected += self._passed
            self._passed = 0
        self._settle()

    def _settle(self) -> None:
        if self._heard_all and self._told_all and not self._unsent:
            self.close()
        else:
            self._watch()

    def _wants(self) -> bool:
        """Whether what the server says could go on its way now."""
        return self._connected and not self._heard_all and self._room > 0 and not self._link.crowded

    def _watch(self) -> None:
        events = select.POLLIN if self._wants() else 0
        if self._unsent or not self._connected:
            events |= select.POLLOUT
        if events:
            self._link.watch(self._near.fileno(), events, self._ready)
        else:  # one that hung up would be told again and again
            self._link.unwatch(self._near.fileno())
        if self._link.crowded:
            self._link.when_relieved(self._number, self._relieved)

    def _relieved(self) -> None:
        if self._near.fileno() >= 0:
            self._watch()

    def _fail(self) -> None:
        self._link.send_piece(Kind.RESET, self._number)
        self.close()
