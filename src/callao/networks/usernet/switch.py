# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ethernet switch: learns MAC addresses, forwards by them, floods what has no known port.

Python's cost is that of each frame, so it forwards runs: frames in a row from one address to another, which
the first one's verdict is good for, leave in one system call with their lengths as they came.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol

from callao.networks.usernet.bucket import TokenBucket
from callao.networks.usernet.gateway import Gateway
from callao.networks.usernet.guard import Guard, Verdict
from callao.networks.usernet.packets import (
    ARP,
    BROADCAST,
    IPV4,
    LENGTH,
    LONGEST,
    LONGEST_STREAM_FRAME,
    SHORTEST,
    UDP,
    Frame,
)
from callao.networks.usernet.port import OutOfStep, Port

_HEAD = struct.Struct(">I14s9xB")
"""Of a frame with its length: the Ethernet header; of IPv4 the transport protocol."""

_IPV4, _ARP = IPV4.to_bytes(2, "big"), ARP.to_bytes(2, "big")

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
        self, gateway: Gateway, guard: Guard, dhcp: Dhcp, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gateway = gateway
        self._guard = guard
        self._dhcp = dhcp
        self._clock = clock
        self._reserved: set[bytes] = set()
        self._ports: dict[Port, TokenBucket] = {}
        self._table: dict[bytes, Port] = {}
        """The port of each MAC address that was seen."""
        self._uplink: Port | None = None

    def reserve(self, mac: bytes) -> None:
        """Have only a port of its own use a MAC address."""
        self._reserved.add(mac)
        stranger = self._table.get(mac)
        if stranger is not None and stranger.mac != mac:
            stranger.macs.discard(mac)
            del self._table[mac]
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
        port = Port(connection, mac, self._accept, self._disconnected)
        self._ports[port] = TokenBucket(_FLOODED_RATE, _FLOODED_BURST, self._clock)
        self._table[mac] = port

    def connect_uplink(self, connection: socket.socket) -> Port:
        """What leads to the host and beyond; an older one ends."""
        if self._uplink is not None:
            self._uplink.close()
        self._uplink = Port(connection, self._gateway.mac, self._accept_uplink, self._disconnected)
        return self._uplink

    def close(self) -> None:
        """End all connections."""
        for port in [*self._ports, *([self._uplink] if self._uplink else [])]:
            port.close()

    def _disconnected(self, port: Port) -> None:
        if port is self._uplink:
            self._uplink = None
        self._ports.pop(port, None)
        for mac in port.macs:
            if self._table.get(mac) is port:
                del self._table[mac]
            if mac != port.mac:
                self._dhcp.forget(mac)

    def _accept(self, source: Port, buffer: memoryview, end: int) -> int:
        at = run = 0
        known = b""
        target: Port | None = None
        while end - at >= LENGTH.size:
            size, head, protocol = _HEAD.unpack_from(buffer, at)
            if size > LONGEST_STREAM_FRAME:
                raise OutOfStep
            after = at + LENGTH.size + size
            if after > end:
                break
            if head != known or protocol == UDP or not SHORTEST <= size <= LONGEST:
                if target is not None:
                    target.send(buffer[run:at], source)
                run, known, target = after, b"", None
                if SHORTEST <= size <= LONGEST:
                    target = self._one(source, buffer[at:after])
                if target is not None:
                    run = at
                    known = head if head[12:] == _IPV4 and target is not self._uplink else b""
            at = after
        if target is not None:
            target.send(buffer[run:at], source)
        return at

    def _one(self, source: Port, whole: memoryview) -> Port | None:
        """Do what a frame needs; returns the port that it is to be sent to together with its followers."""
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
                return self._uplink if self._ports[source].take() else None
            case Verdict.DHCP:
                if self._ports[source].take() and (answer := self._dhcp.serve(mac, frame)) is not None:
                    source.send(memoryview(LENGTH.pack(len(answer)) + bytes(answer)), source)
                return None
        if destination == self._gateway.mac:
            self._gateway.outbound(frame)
            return self._uplink
        port = self._table.get(destination)
        if port is not None:
            return port if port is not source else None
        if self._ports[source].take():
            self._flood(source, whole)
        return None

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
        source.macs.add(mac)
        self._table[mac] = source
        return True

    def _flood(self, source: Port, whole: memoryview) -> None:
        for port in list(self._ports):
            if port is not source:
                port.send(whole, source)

    def _accept_uplink(self, source: Port, buffer: memoryview, end: int) -> int:
        at = run = 0
        target: Port | None = None
        while end - at >= LENGTH.size:
            size, head, _ = _HEAD.unpack_from(buffer, at)
            if size > LONGEST_STREAM_FRAME:
                raise OutOfStep
            after = at + LENGTH.size + size
            if after > end:
                break
            to = self._table.get(head[:6]) if size >= SHORTEST else None
            if to is not None and not self._gateway.inbound(buffer[at + LENGTH.size : after]):
                to = None
            if to is not target:
                if target is not None:
                    target.send(buffer[run:at], source)
                run, target = at, to
            if head[:6] == BROADCAST and head[12:] == _ARP:
                self._flood(source, buffer[at:after])
            at = after
        if target is not None:
            target.send(buffer[run:at], source)
        return at
