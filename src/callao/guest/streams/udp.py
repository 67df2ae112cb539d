# SPDX-License-Identifier: GPL-3.0-or-later
"""Datagrams between one client on the host and a server of this guest. The host says when it is over."""

import sys

assert sys.platform == "linux"

import select
import socket
from collections.abc import Callable
from contextlib import suppress

from callao.guest.frames import PIECE_LIMIT, Kind, Piece
from callao.guest.link import Link

BATCH = 64
"""Datagrams that are read in one go, before others have their turn."""


class UdpStream:
    """``near`` is a socket that does not block; ``ended`` is told the number, once, when all is over."""

    def __init__(self, link: Link, number: int, near: socket.socket, ended: "Callable[[int], None]") -> None:
        self._link = link
        self._number = number
        self._near = near
        self._ended = ended

    def connect(self, address: "tuple[str, int]") -> None:
        """:raises OSError: when there is no way there."""
        try:
            self._near.connect(address)
        except OSError:
            self.close()
            raise
        self._link.watch(self._near.fileno(), select.POLLIN, self._ready)

    def take(self, piece: Piece) -> None:
        if piece.kind is Kind.DATA:
            with suppress(OSError):  # it has no room, or nobody listens
                self._near.send(piece.data)
        elif piece.kind in (Kind.END, Kind.RESET):
            self.close()

    def close(self) -> None:
        self._link.unwatch(self._near.fileno())
        self._near.close()
        self._ended(self._number)

    def _ready(self, _events: int) -> None:
        for _ in range(BATCH):
            try:
                data = self._near.recv(PIECE_LIMIT)
            except BlockingIOError:
                return
            except OSError:  # the last one found nobody listening; the next may
                continue
            if not self._link.crowded:
                self._link.send_piece(Kind.DATA, self._number, data)
