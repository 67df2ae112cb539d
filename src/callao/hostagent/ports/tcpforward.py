# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP port of the host whose connections are streams to a server of the guest."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any

from callao.errors import AgentError
from callao.guest.frames import TCP_SEGMENT, FrameError, FrameKind, StreamFrame
from callao.guest.streams.window import CREDIT_FORMAT, CREDIT_THRESHOLD, WINDOW, StreamTarget, unpack_credit
from callao.hostagent.channel.stream_multiplexer import StreamMultiplexer

_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER (socket(7)): closing sends a reset, and waits for nothing."""

_BACKLOG = 512

_BUFFER = bytearray(TCP_SEGMENT)
"""One for all: it is filled and emptied without a break between."""


class Connection(asyncio.BufferedProtocol):
    """One client, and its stream."""

    def __init__(self, multiplexer: StreamMultiplexer, target: StreamTarget) -> None:
        self._multiplexer = multiplexer
        self._target = target
        self._transport: asyncio.Transport | None = None
        self._number = -1
        self._send_window = WINDOW
        self._receive_window = WINDOW
        self._unacknowledged = 0
        self._client_slow = False
        self._eof_sent = False
        """Whether the client has sent everything, and the guest was told by END."""
        self._eof_received = False
        """Whether the guest has sent END."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=CREDIT_THRESHOLD, low=0)
        try:
            self._number = self._multiplexer.open(self, self._target)
        except AgentError:
            self.lost()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return memoryview(_BUFFER)[: min(TCP_SEGMENT, self._send_window)]

    def buffer_updated(self, count: int) -> None:
        self._send_window -= count
        self._multiplexer.send(FrameKind.DATA, self._number, bytes(memoryview(_BUFFER)[:count]))
        self._listen()

    def eof_received(self) -> bool:
        self._eof_sent = True
        self._multiplexer.send(FrameKind.END, self._number)
        self._settle()
        return True  # the other direction goes on

    def pause_writing(self) -> None:
        self._client_slow = True

    def resume_writing(self) -> None:
        self._client_slow = False
        self._grant()

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        if not (self._eof_sent and self._eof_received):
            self._multiplexer.send(FrameKind.RESET, self._number)
        self._multiplexer.forget(self._number)

    def take(self, piece: StreamFrame) -> None:
        if self._transport is None:
            return
        if piece.kind is FrameKind.DATA:
            self._receive_window -= len(piece.data)
            if self._receive_window < 0 or self._eof_received:
                raise FrameError(f"stream {self._number} was sent more than was granted")
            self._unacknowledged += len(piece.data)
            self._transport.write(piece.data)
            self._grant()
        elif piece.kind is FrameKind.CREDIT:
            self._send_window += unpack_credit(piece.data)
            if self._send_window > WINDOW:
                raise FrameError(f"stream {self._number} was granted more than was sent")
            self._listen()
        elif piece.kind is FrameKind.END:
            self._eof_received = True
            with contextlib.suppress(OSError):
                self._transport.write_eof()
            self._settle()
        elif piece.kind is FrameKind.RESET:
            self._multiplexer.forget(self._number)
            self.lost()
        else:
            raise FrameError("the guest does not open streams")

    def lost(self) -> None:
        """The client is told by a reset."""
        if self._transport is not None:
            near = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self._transport.abort()

    def _grant(self) -> None:
        if self._unacknowledged >= CREDIT_THRESHOLD and not self._client_slow and not self._eof_received:
            self._multiplexer.send(FrameKind.CREDIT, self._number, CREDIT_FORMAT.pack(self._unacknowledged))
            self._receive_window += self._unacknowledged
            self._unacknowledged = 0

    def _listen(self) -> None:
        """To the client, or not for now."""
        if self._transport is None or self._eof_sent:
            return
        if self._multiplexer.crowded:
            self._transport.pause_reading()
            self._multiplexer.when_relieved(self._number, self._listen)
        elif self._send_window == 0:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _settle(self) -> None:
        if self._eof_sent and self._eof_received and self._transport is not None:
            self._multiplexer.forget(self._number)
            self._transport.close()


async def listen_tcp(
    multiplexer: StreamMultiplexer, host_ip: str, host_port: int, target: StreamTarget
) -> asyncio.Server:
    """``::`` takes IPv4 as well.

    :raises OSError: when the port is not available.
    """
    family = socket.AF_INET6 if ":" in host_ip else socket.AF_INET
    both = host_ip == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server(
        (host_ip, host_port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
    )
    return await asyncio.get_running_loop().create_server(
        _connect(multiplexer, target), sock=listener, backlog=_BACKLOG
    )


async def listen_unix(
    multiplexer: StreamMultiplexer, listener: socket.socket, target: StreamTarget
) -> asyncio.Server:
    """The same for the clients of a unix socket that is bound.

    :raises OSError: when it cannot be listened on.
    """
    return await asyncio.get_running_loop().create_unix_server(
        _connect(multiplexer, target), sock=listener, backlog=_BACKLOG
    )


def _connect(multiplexer: StreamMultiplexer, target: StreamTarget) -> Any:
    """Typeshed knows no BufferedProtocol as a server's."""
    return lambda: Connection(multiplexer, target)
