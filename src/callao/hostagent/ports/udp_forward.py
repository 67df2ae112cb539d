# SPDX-License-Identifier: GPL-3.0-or-later
"""Listens on a UDP port of the host; the datagrams of each client are a stream to a server in the guest."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from callao.errors import AgentError
from callao.guest.frames import STREAM_DATA_LIMIT, FrameError, FrameKind, StreamFrame
from callao.guest.streams.window import StreamTarget
from callao.hostagent.channel.stream_multiplexer import StreamMultiplexer

IDLE_TIMEOUT = 90.0
"""Seconds without a datagram in either direction after which a client's stream is ended."""

MAX_CLIENTS = 250
"""Largest number of clients; a new one replaces the least recently active one."""

_READ_BATCH = 64
"""Datagrams that are read at once before other descriptors are served."""


@dataclass
class _Client:
    """The stream of one client."""

    port: UdpPort
    address: Any
    number: int = -1
    last_active: float = 0.0

    def receive(self, frame: StreamFrame) -> None:
        if frame.kind is FrameKind.DATA:
            self.port.send_to(self, frame.data)
        elif frame.kind in (FrameKind.RESET, FrameKind.END):
            self.port.remove(self)
        else:
            raise FrameError(f"a stream of datagrams has no frames of the kind {frame.kind.name}")

    def channel_closed(self) -> None:
        self.port.remove(self)


class UdpPort:
    """A UDP port of the host, which is open until :meth:`close`."""

    def __init__(
        self, multiplexer: StreamMultiplexer, host_ip: str, host_port: int, target: StreamTarget
    ) -> None:
        """:raises OSError: when the port is not available."""
        self._multiplexer = multiplexer
        self._target = target
        self._clients: OrderedDict[Any, _Client] = OrderedDict()
        """The most recently active client is the last."""
        self._expiry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(
            socket.AF_INET6 if ":" in host_ip else socket.AF_INET, socket.SOCK_DGRAM
        )
        try:
            self._socket.setblocking(False)
            if ":" in host_ip:
                is_v6_only = host_ip != "::" or not socket.has_dualstack_ipv6()
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(is_v6_only))
            self._socket.bind((host_ip, host_port))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._read)

    def close(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for client in list(self._clients.values()):
            self._end(client)

    def send_to(self, client: _Client, data: bytes) -> None:
        """Send a datagram to a client; dropped if the socket's buffer is full."""
        self._touch(client)
        with contextlib.suppress(OSError):
            self._socket.sendto(data, client.address)

    def remove(self, client: _Client) -> None:
        """Remove a client whose stream has ended; its next datagram opens another stream."""
        self._multiplexer.remove(client.number)
        self._clients.pop(client.address, None)

    def _read(self) -> None:
        for _ in range(_READ_BATCH):
            try:
                data, address = self._socket.recvfrom(STREAM_DATA_LIMIT)
            except BlockingIOError:
                return
            except OSError:  # an earlier datagram to a client was refused (ICMP)
                continue
            client = self._clients.get(address) or self._add_client(address)
            if client is not None and not self._multiplexer.streams_paused:
                self._touch(client)
                self._multiplexer.send(FrameKind.DATA, client.number, data)

    def _add_client(self, address: Any) -> _Client | None:
        if len(self._clients) >= MAX_CLIENTS:
            self._end(next(iter(self._clients.values())))
        client = _Client(self, address)
        try:
            client.number = self._multiplexer.open(client, self._target)
        except AgentError:
            return None
        self._clients[address] = client
        if self._expiry is None:
            self._expiry = self._loop.call_later(IDLE_TIMEOUT, self._expire)
        return client

    def _touch(self, client: _Client) -> None:
        client.last_active = self._loop.time()
        self._clients.move_to_end(client.address)

    def _expire(self) -> None:
        self._expiry = None
        now = self._loop.time()
        for client in list(self._clients.values()):
            remaining = client.last_active + IDLE_TIMEOUT - now
            if remaining > 0:
                self._expiry = self._loop.call_later(remaining, self._expire)
                return
            self._end(client)

    def _end(self, client: _Client) -> None:
        self._multiplexer.send(FrameKind.END, client.number)
        self.remove(client)
