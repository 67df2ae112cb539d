# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's end of all streams: opens them, and passes each frame to its stream."""

import sys

assert sys.platform == "linux"

import errno
import socket
from typing import Union

from callao.guest.frames import FrameError, FrameKind, StreamFrame
from callao.guest.link import Link
from callao.guest.streams.tcp import TcpStream
from callao.guest.streams.udp import UdpStream
from callao.guest.streams.window import StreamTarget, unpack_target

Stream = Union[TcpStream, UdpStream]  # noqa: UP007 (Python 3.6)


class GuestStreamMultiplexer:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._streams = {}  # type: dict[int, Stream]

    def receive(self, frame: StreamFrame) -> None:
        """Pass a frame to its stream. One for an unknown stream is ignored: the stream has just ended.

        :raises FrameError: when the host breaks the protocol.
        """
        stream = self._streams.get(frame.stream)
        if frame.kind is not FrameKind.OPEN:
            if stream is not None:
                stream.receive(frame)
            return
        if stream is not None:
            raise FrameError(f"stream {frame.stream} is open already")
        try:
            self._open(frame.stream, unpack_target(frame.data))
        except (ValueError, OSError):
            self._link.send_stream_frame(FrameKind.RESET, frame.stream)

    def close(self) -> None:
        """Close all streams without RESET frames: the host has disconnected, or sent a new hello."""
        for stream in list(self._streams.values()):
            stream.close()

    def _open(self, number: int, target: StreamTarget) -> None:
        try:
            self._connect(number, target)
        except OSError as error:
            # Where IPv6 is disabled, no interface has ::1, and a server on all addresses accepts IPv4 there.
            if target.address != "::1" or error.errno != errno.EADDRNOTAVAIL:
                raise
            self._connect(number, target._replace(address="127.0.0.1"))

    def _connect(self, number: int, target: StreamTarget) -> None:
        family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
        kind = socket.SOCK_STREAM if target.proto == "tcp" else socket.SOCK_DGRAM
        local = socket.socket(family, kind)
        local.setblocking(False)
        stream_class = TcpStream if target.proto == "tcp" else UdpStream
        self._streams[number] = stream = stream_class(self._link, number, local, self._remove)
        stream.connect((target.address, target.port))

    def _remove(self, number: int) -> None:
        self._streams.pop(number, None)
