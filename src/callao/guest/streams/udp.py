# SPDX-License-Identifier: GPL-3.0-or-later
"""Datagrams between one client on the host and a server in this guest. The host ends the stream."""

import sys

assert sys.platform == "linux"

import select
import socket
from collections.abc import Callable
from contextlib import suppress

from callao.guest.frames import STREAM_DATA_LIMIT, FrameKind, StreamFrame
from callao.guest.link import Link

READ_BATCH = 64
"""Datagrams that are read at once before other descriptors are served."""


class UdpStream:
    """``local`` is a non-blocking socket; ``on_closed`` is called with the number when the stream has
    ended.
    """

    def __init__(
        self, link: Link, number: int, local: socket.socket, on_closed: "Callable[[int], None]"
    ) -> None:
        self._link = link
        self._number = number
        self._local = local
        self._on_closed = on_closed

    def connect(self, address: "tuple[str, int]") -> None:
        """:raises OSError: when there is no route to the address."""
        try:
            self._local.connect(address)
        except OSError:
            self.close()
            raise
        self._link.watch(self._local.fileno(), select.POLLIN, self._on_events)

    def receive(self, frame: StreamFrame) -> None:
        if frame.kind is FrameKind.DATA:
            with suppress(OSError):  # its buffer is full, or nobody listens
                self._local.send(frame.data)
        elif frame.kind in (FrameKind.END, FrameKind.RESET):
            self.close()

    def close(self) -> None:
        self._link.unwatch(self._local.fileno())
        self._local.close()
        self._on_closed(self._number)

    def _on_events(self, _events: int) -> None:
        for _ in range(READ_BATCH):
            try:
                data = self._local.recv(STREAM_DATA_LIMIT)
            except BlockingIOError:
                return
            except OSError:  # the last datagram found no listener (ICMP); the next one may
                continue
            if not self._link.streams_paused:
                self._link.send_stream_frame(FrameKind.DATA, self._number, data)
