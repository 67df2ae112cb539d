# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP port of the host whose connections are streams to a server of the guest."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any

from callao.errors import AgentError
from callao.guest.frames import SEGMENT, FrameError, Kind, Piece
from callao.guest.streams import CREDIT, GRANT, WINDOW, Target, unpack_credit
from callao.hostagent.switch import Switch

_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER (socket(7)): closing sends a reset, and waits for nothing."""

_BACKLOG = 512

_BUFFER = bytearray(SEGMENT)
"""One for all: it is filled and emptied without a break between."""


class Connection(asyncio.BufferedProtocol):
    """One client, and its stream."""

    def __init__(self, switch: Switch, target: Target) -> None:
        self._switch = switch
        self._target = target
        self._transport: asyncio.Transport | None = None
        self._number = -1
        self._room = WINDOW
        self._expected = WINDOW
        self._passed = 0
        self._client_slow = False
        self._heard_all = False
        """The client sends nothing more."""
        self._told_all = False
        """The server sends nothing more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=GRANT, low=0)
        try:
            self._number = self._switch.open(self, self._target)
        except AgentError:
            self.lost()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return memoryview(_BUFFER)[: min(SEGMENT, self._room)]

    def buffer_updated(self, count: int) -> None:
        self._room -= count
        self._switch.send(Kind.DATA, self._number, bytes(memoryview(_BUFFER)[:count]))
        self._listen()

    def eof_received(self) -> bool:
        self._heard_all = True
        self._switch.send(Kind.END, self._number)
        self._settle()
        return True  # the other direction goes on

    def pause_writing(self) -> None:
        self._client_slow = True

    def resume_writing(self) -> None:
        self._client_slow = False
        self._grant()

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        if not (self._heard_all and self._told_all):
            self._switch.send(Kind.RESET, self._number)
        self._switch.forget(self._number)

    def take(self, piece: Piece) -> None:
        if self._transport is None:
            return
        if piece.kind is Kind.DATA:
            self._expected -= len(piece.data)
            if self._expected < 0 or self._told_all:
                raise FrameError(f"stream {self._number} was sent more than was granted")
            self._passed += len(piece.data)
            self._transport.write(piece.data)
            self._grant()
        elif piece.kind is Kind.CREDIT:
            self._room += unpack_credit(piece.data)
            if self._room > WINDOW:
                raise FrameError(f"stream {self._number} was granted more than was sent")
            self._listen()
        elif piece.kind is Kind.END:
            self._told_all = True
            with contextlib.suppress(OSError):
                self._transport.write_eof()
            self._settle()
        elif piece.kind is Kind.RESET:
            self._switch.forget(self._number)
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
        if self._passed >= GRANT and not self._client_slow and not self._told_all:
            self._switch.send(Kind.CREDIT, self._number, CREDIT.pack(self._passed))
            self._expected += self._passed
            self._passed = 0

    def _listen(self) -> None:
        """To the client, or not for now."""
        if self._transport is None or self._heard_all:
            return
        if self._switch.crowded:
            self._transport.pause_reading()
            self._switch.when_relieved(self._number, self._listen)
        elif self._room == 0:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _settle(self) -> None:
        if self._heard_all and self._told_all and self._transport is not None:
            self._switch.forget(self._number)
            self._transport.close()


async def listen_tcp(switch: Switch, host_ip: str, host_port: int, target: Target) -> asyncio.Server:
    """``::`` takes IPv4 as well.

    :raises OSError: when the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host_ip else socket.AF_INET
    both = host_ip == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server(
        (host_ip, host_port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
    )
    return await asyncio.get_running_loop().create_server(
        _connect(switch, target), sock=listener, backlog=_BACKLOG
    )


async def listen_unix(switch: Switch, listener: socket.socket, target: Target) -> asyncio.Server:
    """The same for the clients of a unix socket that is bound.

    :raises OSError: when it cannot be listened on.
    """
    return await asyncio.get_running_loop().create_unix_server(
        _connect(switch, target), sock=listener, backlog=_BACKLOG
    )


def _connect(switch: Switch, target: Target) -> Any:
    """Typeshed knows no BufferedProtocol as a server's."""
    return lambda: Connection(switch, target)
