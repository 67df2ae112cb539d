# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's end of all streams: who is meant by what came."""

import sys

assert sys.platform == "linux"

import socket
from typing import Union

from callao.guest.frames import FrameError, Kind, Piece
from callao.guest.link import Link
from callao.guest.streams.tcp import TcpStream
from callao.guest.streams.udp import UdpStream
from callao.guest.streams.window import Target, unpack_target

Stream = Union[TcpStream, UdpStream]  # noqa: UP007 (Python 3.6)


class Switch:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._open = {}  # type: dict[int, Stream]

    def take(self, piece: Piece) -> None:
        """What is for no stream of ours is for one that has just ended, and is passed over.

        :raises FrameError: when the host does not keep to what was agreed.
        """
        stream = self._open.get(piece.stream)
        if piece.kind is not Kind.OPEN:
            if stream is not None:
                stream.take(piece)
            return
        if stream is not None:
            raise FrameError(f"stream {piece.stream} is open already")
        try:
            self._connect(piece.stream, unpack_target(piece.data))
        except (ValueError, OSError):
            self._link.send_piece(Kind.RESET, piece.stream)

    def close(self) -> None:
        """End all, and tell nobody: the host has left, or begins anew."""
        for stream in list(self._open.values()):
            stream.close()

    def _connect(self, number: int, target: Target) -> None:
        family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
        kind = socket.SOCK_STREAM if target.proto == "tcp" else socket.SOCK_DGRAM
        near = socket.socket(family, kind)
        near.setblocking(False)
        carry = TcpStream if target.proto == "tcp" else UdpStream
        self._open[number] = stream = carry(self._link, number, near, self._forget)
        stream.connect((target.address, target.port))

    def _forget(self, number: int) -> None:
        self._open.pop(number, None)
