# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch between the TAP device and the guests' sockets; a guest is not trusted."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import socket
from dataclasses import dataclass
from functools import partial

from callao.networks.usernet.dhcp import DhcpServer
from callao.networks.usernet.forwarding import MacTable, Outlet, forward, is_flow
from callao.networks.usernet.guard import Guard, Verdict
from callao.networks.usernet.packets import IP_AT, LENGTH
from callao.networks.usernet.port import Port
from callao.networks.vmnet.linux.tap import Tap
from callao.token_bucket import TokenBucket

_MOST_MACS = 64
"""Addresses of one guest: its own, and those of containers in it."""

_MOST_PORTS = 256
"""Guests; a further connection is closed, so that members of the group cannot use up root's descriptors."""

_FLOODED_RATE, _FLOODED_BURST = 500.0, 1000.0
"""Frames a second of one guest that all the others have to hear, or that the DHCP server answers."""


@dataclass(frozen=True)
class SubnetServices:
    """What the switch does in a network whose addresses the host gives."""

    guard: Guard
    dhcp: DhcpServer


class Relay:
    """Forwards frames until :meth:`end` is called.

    :param tap_macs: addresses that no guest may have.
    :param services: None in a network of others, which has its own.
    """

    def __init__(
        self, server: socket.socket, tap: int, tap_macs: set[bytes], services: SubnetServices | None
    ) -> None:
        self._server, self._services = server, services
        self._ports: dict[Port, TokenBucket] = {}
        self._table = MacTable()
        self._ended = asyncio.Event()
        self._host = Tap(tap, tap_macs, self._decide_host)
        for mac in tap_macs:
            self._table.add(mac, self._host)
        asyncio.get_running_loop().add_reader(server, self._connect)

    def end(self) -> None:
        """Have :meth:`run` return; for a signal handler."""
        self._ended.set()

    async def run(self) -> None:
        await self._ended.wait()

    def _connect(self) -> None:
        try:
            stream, _ = self._server.accept()
        except OSError:
            return
        if len(self._ports) >= _MOST_PORTS:
            stream.close()
            return
        port = Port(stream, self._accept, self._disconnected)
        self._ports[port] = TokenBucket(_FLOODED_BURST, _FLOODED_RATE)

    def _disconnected(self, port: Port, _why: str) -> None:
        del self._ports[port]
        self._table.remove(port.macs, port, (self._host, *self._ports))
        if self._services is not None:
            for mac in port.macs:
                self._services.dhcp.forget(mac)

    def _accept(self, source: Port, buffer: memoryview, end: int) -> int:
        return forward(source, buffer, end, partial(self._decide, source))

    def _decide(self, source: Port, whole: memoryview) -> Outlet | None:
        """See :data:`callao.networks.usernet.forwarding.Decide`."""
        frame = whole[LENGTH.size :]
        limit = self._ports.get(source)
        if limit is None:  # it has ended, by the answer to an earlier frame in the buffer
            return None
        mac = bytes(frame[6:12])
        if mac not in source.macs:
            if mac[0] & 1 or mac in self._table or len(source.macs) >= _MOST_MACS:
                return None  # another's address, or one too many
            self._table.add(mac, source)
        if self._services is not None:
            match self._services.guard.verdict(frame):
                case Verdict.DROP:
                    return None
                case Verdict.TO_GATEWAY:
                    return self._host if limit.try_take() else None
                case Verdict.DHCP:
                    if limit.try_take() and (answer := self._services.dhcp.serve(mac, frame)) is not None:
                        source.send(memoryview(LENGTH.pack(len(answer)) + answer), source)
                    return None
        return self._route(source, whole, limit)

    def _decide_host(self, whole: memoryview) -> Outlet | None:
        mac = bytes(whole[LENGTH.size + 6 : LENGTH.size + 12])
        if mac not in self._table and len(self._host.macs) < 16 * _MOST_MACS:
            self._table.add(mac, self._host)
        return self._route(self._host, whole, None)

    def _route(self, source: Outlet, whole: memoryview, limit: TokenBucket | None) -> Outlet | None:
        """:param limit: of the frames that all have to hear; None for the host's."""
        frame = whole[LENGTH.size :]
        target = self._table.get(bytes(frame[:6]))
        if target is None:
            if limit is None or limit.try_take():
                self._flood(source, whole)
            return None
        if target is source:
            return None
        if is_flow(frame):
            source.routes[bytes(frame[:IP_AT])] = target
        return target

    def _flood(self, source: Outlet, whole: memoryview) -> None:
        everybody: tuple[Outlet, ...] = (self._host, *self._ports)
        for each in everybody:
            if each is not source:
                each.send(whole, source)
