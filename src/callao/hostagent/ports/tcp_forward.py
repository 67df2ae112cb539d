# SPDX-License-Identifier: GPL-3.0-or-later
"""Listens on a TCP port or unix socket of the host; each connection is a stream to a server in the guest."""

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

_LINGER_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a timeout of 0 (socket(7)): closing sends a TCP reset at once."""

_BACKLOG = 512

_BUFFER = bytearray(TCP_SEGMENT)
"""Shared by all connections: it is filled and emptied without an await in between."""


class TcpConnection(asyncio.BufferedProtocol):
    """The connection of one client, and its stream."""

    def __init__(self, multiplexer: StreamMultiplexer, target: StreamTarget) -> None:
        self._multiplexer = multiplexer
        self._target = target
        self._transport: asyncio.Transport | None = None
        self._number = -1
        self._send_window = WINDOW
        self._receive_window = WINDOW
        self._unacknowledged = 0
        self._writing_paused = False
        self._eof_sent = False
        """Whether the client has sent everything, and END was sent to the guest."""
        self._eof_received = False
        """Whether the guest has sent END."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=CREDIT_THRESHOLD, low=0)
        try:
            self._number = self._multiplexer.open(self, self._target)
        except AgentError:
            self.channel_closed()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return memoryview(_BUFFER)[: min(TCP_SEGMENT, self._send_window)]

    def buffer_updated(self, count: int) -> None:
        self._send_window -= count
        self._multiplexer.send(FrameKind.DATA, self._number, bytes(memoryview(_BUFFER)[:count]))
        self._update_reading()

    def eof_received(self) -> bool:
        self._eof_sent = True
        self._multiplexer.send(FrameKind.END, self._number)
        self._close_if_done()
        return True  # the other direction stays open

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._send_credit()

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        if not (self._eof_sent and self._eof_received):
            self._multiplexer.send(FrameKind.RESET, self._number)
        self._multiplexer.remove(self._number)

    def receive(self, frame: StreamFrame) -> None:
        if self._transport is None:
            return
        if frame.kind is FrameKind.DATA:
            self._receive_window -= len(frame.data)
            if self._receive_window < 0 or self._eof_received:
                raise FrameError(f"stream {self._number} was sent more than was granted")
            self._unacknowledged += len(frame.data)
            self._transport.write(frame.data)
            self._send_credit()
        elif frame.kind is FrameKind.CREDIT:
            self._send_window += unpack_credit(frame.data)
            if self._send_window > WINDOW:
                raise FrameError(f"stream {self._number} was granted more than was sent")
            self._update_reading()
        elif frame.kind is FrameKind.END:
            self._eof_received = True
            with contextlib.suppress(OSError):
                self._transport.write_eof()
            self._close_if_done()
        elif frame.kind is FrameKind.RESET:
            self._multiplexer.remove(self._number)
            self.channel_closed()
        else:
            raise FrameError("the guest does not open streams")

    def channel_closed(self) -> None:
        """Close the client's connection with a TCP reset."""
        if self._transport is not None:
            client = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            self._transport.abort()

    def _send_credit(self) -> None:
        if self._unacknowledged >= CREDIT_THRESHOLD and not self._writing_paused and not self._eof_received:
            self._multiplexer.send(FrameKind.CREDIT, self._number, CREDIT_FORMAT.pack(self._unacknowledged))
            self._receive_window += self._unacknowledged
            self._unacknowledged = 0

    def _update_reading(self) -> None:
        """Pause or resume reading from the client."""
        if self._transport is None or self._eof_sent:
            return
        if self._multiplexer.streams_paused:
            self._transport.pause_reading()
            self._multiplexer.when_drained(self._number, self._update_reading)
        elif self._send_window == 0:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _close_if_done(self) -> None:
        if self._eof_sent and self._eof_received and self._transport is not None:
            self._multiplexer.remove(self._number)
            self._transport.close()


async def listen_tcp(
    multiplexer: StreamMultiplexer, host_ip: str, host_port: int, target: StreamTarget
) -> asyncio.Server:
    """Listen on a TCP port; on ``::`` for IPv4 as well.

    :raises OSError: when the port is not available.
    """
    family = socket.AF_INET6 if ":" in host_ip else socket.AF_INET
    is_dual_stack = host_ip == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server(
        (host_ip, host_port), family=family, backlog=_BACKLOG, dualstack_ipv6=is_dual_stack
    )
    return await asyncio.get_running_loop().create_server(
        _protocol_factory(multiplexer, target), sock=listener, backlog=_BACKLOG
    )


async def listen_unix(
    multiplexer: StreamMultiplexer, listener: socket.socket, target: StreamTarget
) -> asyncio.Server:
    """Listen on a unix socket that is bound.

    :raises OSError: when listening fails.
    """
    return await asyncio.get_running_loop().create_unix_server(
        _protocol_factory(multiplexer, target), sock=listener, backlog=_BACKLOG
    )


def _protocol_factory(multiplexer: StreamMultiplexer, target: StreamTarget) -> Any:
    """Untyped, because typeshed does not accept a BufferedProtocol for a server."""
    return lambda: TcpConnection(multiplexer, target)
