# SPDX-License-Identifier: GPL-3.0-or-later
"""A UDP port of the host whose clients' datagrams are streams to a server of the guest, one a client."""

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

IDLE = 90.0
"""Seconds without a datagram either way after which a client is forgotten."""

CLIENTS = 250
"""At a time; the one that has been silent for longest makes room."""

_BATCH = 64
"""Datagrams that are read in one go, before others have their turn."""


@dataclass
class _Client:
    """One client's stream."""

    port: UdpPort
    address: Any
    number: int = -1
    heard: float = 0.0

    def take(self, piece: StreamFrame) -> None:
        if piece.kind is FrameKind.DATA:
            self.port.answer(self, piece.data)
        elif piece.kind in (FrameKind.RESET, FrameKind.END):
            self.port.drop(self)
        else:
            raise FrameError("datagrams know no such piece")

    def lost(self) -> None:
        self.port.drop(self)


class UdpPort:
    """Open from the beginning."""

    def __init__(
        self, multiplexer: StreamMultiplexer, host_ip: str, host_port: int, target: StreamTarget
    ) -> None:
        """:raises OSError: when the port is not available."""
        self._multiplexer = multiplexer
        self._target = target
        self._clients: OrderedDict[Any, _Client] = OrderedDict()
        """Who was heard of last comes last."""
        self._expiry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(
            socket.AF_INET6 if ":" in host_ip else socket.AF_INET, socket.SOCK_DGRAM
        )
        try:
            self._socket.setblocking(False)
            if ":" in host_ip:
                alone = host_ip != "::" or not socket.has_dualstack_ipv6()
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(alone))
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

    def answer(self, client: _Client, data: bytes) -> None:
        """What finds no room in the socket is dropped."""
        self._note(client)
        with contextlib.suppress(OSError):
            self._socket.sendto(data, client.address)

    def drop(self, client: _Client) -> None:
        """Its stream is no more; if it is heard of again, it gets another."""
        self._multiplexer.forget(client.number)
        self._clients.pop(client.address, None)

    def _read(self) -> None:
        for _ in range(_BATCH):
            try:
                data, address = self._socket.recvfrom(STREAM_DATA_LIMIT)
            except BlockingIOError:
                return
            except OSError:  # an answer of before found nobody
                continue
            client = self._clients.get(address) or self._welcome(address)
            if client is not None and not self._multiplexer.crowded:
                self._note(client)
                self._multiplexer.send(FrameKind.DATA, client.number, data)

    def _welcome(self, address: Any) -> _Client | None:
        if len(self._clients) >= CLIENTS:
            self._end(next(iter(self._clients.values())))
        client = _Client(self, address)
        try:
            client.number = self._multiplexer.open(client, self._target)
        except AgentError:
            return None
        self._clients[address] = client
        if self._expiry is None:
            self._expiry = self._loop.call_later(IDLE, self._expire)
        return client

    def _note(self, client: _Client) -> None:
        client.heard = self._loop.time()
        self._clients.move_to_end(client.address)

    def _expire(self) -> None:
        self._expiry = None
        now = self._loop.time()
        for client in list(self._clients.values()):
            left = client.heard + IDLE - now
            if left > 0:
                self._expiry = self._loop.call_later(left, self._expire)
                return
            self._end(client)

    def _end(self, client: _Client) -> None:
        self._multiplexer.send(FrameKind.END, client.number)
        self.drop(client)
