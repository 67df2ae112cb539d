# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ethernet switch of a network: what each frame of a guest needs, and of the way to the host."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from callao.networks.usernet.forwarding import MacTable, Outlet, forward, is_flow
from callao.networks.usernet.gateway import Gateway
from callao.networks.usernet.guard import Guard, Verdict
from callao.networks.usernet.packets import ARP, BROADCAST, LENGTH, Frame
from callao.networks.usernet.port import Port
from callao.token_bucket import TokenBucket

_ARP = ARP.to_bytes(2, "big")

_MOST_MACS = 8
"""Addresses of one port, beside its own: those of containers and machines in the guest."""

_FLOODED_RATE, _FLOODED_BURST = 500.0, 1000.0
"""Frames a second of one port that all the others have to hear, or that the DHCP server answers."""


class Dhcp(Protocol):
    """The DHCP server, as the switch sees it."""

    def serve(self, mac: bytes, frame: Frame) -> bytes | None:
        """The answer to a frame of a MAC address, if any."""

    def forget(self, mac: bytes) -> None:
        """A MAC address that is no instance's has gone."""


class Switch:
    """Of one network. ``reserve`` and ``release`` say which MAC addresses belong to instances: no other
    port may use these, whether the instance runs or not.
    """

    def __init__(
        self,
        gateway: Gateway,
        guard: Guard,
        dhcp: Dhcp,
        lost: Callable[[bytes, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param lost: told the MAC address of a NIC whose stream is out of step, and what was wrong."""
        self._gateway = gateway
        self._guard = guard
        self._dhcp = dhcp
        self._lost = lost
        self._clock = clock
        self._reserved: set[bytes] = set()
        self._ports: dict[Port, TokenBucket] = {}
        self._table = MacTable()
        self._uplink: Port | None = None

    def reserve(self, mac: bytes) -> None:
        """Have only a port of its own use a MAC address."""
        self._reserved.add(mac)
        for stranger in [each for each in self._ports if mac in each.macs and each.mac != mac]:
            stranger.macs.discard(mac)
            self._table.remove([mac], stranger, self._ports)
            self._dhcp.forget(mac)

    def release(self, mac: bytes) -> None:
        """Let go of the address, and end the connection of its port."""
        self._reserved.discard(mac)
        for port in [each for each in self._ports if each.mac == mac]:
            port.close()

    def connect(self, connection: socket.socket, mac: bytes) -> None:
        """A guest's NIC; an older connection of the same NIC ends."""
        for port in [each for each in self._ports if each.mac == mac]:
            port.close()
        port = Port(connection, self._accept, self._disconnected, mac)
        self._ports[port] = TokenBucket(_FLOODED_BURST, _FLOODED_RATE, self._clock)
        self._table.add(mac, port)

    def connect_uplink(self, connection: socket.socket) -> Port:
        """What leads to the host and beyond; an older one ends."""
        if self._uplink is not None:
            self._uplink.close()
        self._uplink = Port(connection, self._accept_uplink, self._disconnected, self._gateway.mac)
        return self._uplink

    def close(self) -> None:
        """End all connections."""
        for port in [*self._ports, *([self._uplink] if self._uplink else [])]:
            port.close()

    def _disconnected(self, port: Port, why: str) -> None:
        if port is self._uplink:
            self._uplink = None
        self._ports.pop(port, None)
        self._table.remove(port.macs, port, self._ports)
        for mac in port.macs - {port.mac}:
            self._dhcp.forget(mac)
        if why:
            self._lost(port.mac, why)

    def _accept(self, source: Port, buffer: memoryview, end: int) -> int:
        return forward(source, buffer, end, partial(self._decide, source))

    def _decide(self, source: Port, whole: memoryview) -> Outlet | None:
        frame = whole[LENGTH.size :]
        if source not in self._ports:  # it has ended, by the answer to an earlier frame in the buffer
            return None
        destination, mac = bytes(frame[:6]), bytes(frame[6:12])
        if mac not in source.macs and not self._learn(source, mac):
            return None
        match self._guard.verdict(frame):
            case Verdict.DROP:
                return None
            case Verdict.TO_GATEWAY:
                return self._uplink if self._ports[source].try_take() else None
            case Verdict.DHCP:
                if self._ports[source].try_take() and (answer := self._dhcp.serve(mac, frame)) is not None:
                    source.send(memoryview(LENGTH.pack(len(answer)) + bytes(answer)), source)
                return None
        if destination == self._gateway.mac:
            return self._uplink if self._gateway.outbound(source.mac, frame) else None
        port = self._table.get(destination)
        if port is None:
            if self._ports[source].try_take():
                self._flood(source, whole)
            return None
        if port is source:
            return None
        if is_flow(frame):
            source.routes[bytes(frame[:14])] = port
        return port

    def _learn(self, source: Port, mac: bytes) -> bool:
        """Whether a MAC address that is new at a port may be used there; then it is the port's."""
        if (
            mac[0] & 1
            or mac == self._gateway.mac
            or mac in self._reserved
            or mac in self._table
            or len(source.macs) > _MOST_MACS
        ):
            return False
        self._table.add(mac, source)
        return True

    def _flood(self, source: Port, whole: memoryview) -> None:
        for port in list(self._ports):
            if port is not source:
                port.send(whole, source)

    def _accept_uplink(self, source: Port, buffer: memoryview, end: int) -> int:
        return forward(source, buffer, end, partial(self._decide_uplink, source))

    def _decide_uplink(self, source: Port, whole: memoryview) -> Outlet | None:
        frame = whole[LENGTH.size :]
        destination = bytes(frame[:6])
        if destination == BROADCAST:
            if frame[12:14] == _ARP:
                self._flood(source, whole)
            return None
        port = self._table.get(destination)
        if not isinstance(port, Port) or not self._gateway.inbound(port.mac, frame):
            return None
        return port
