# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's address as the guests see it: NAT for everything, and DNS on its port 53. Pure.

QEMU's network stack connects what comes for the gateway's address to the host's loopback, to the same port.
Our name server has no privilege for port 53 there, so the switch rewrites the port on both ways.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from callao.networks.usernet.guard import DHCP_SERVER
from callao.networks.usernet.packets import IP_AT, IPV4, TCP, UDP, port_at, rewrite_port, transport
from callao.token_bucket import TokenBucket

_DNS = 53

_QUESTION_RATE, _QUESTION_BURST = 500.0, 1000.0
"""Datagrams a second of one NIC to its name server."""


@dataclass(frozen=True)
class _NameServer:
    ports: dict[int, int]
    """By the transport protocol."""
    questions: TokenBucket


class Gateway:
    """Each NIC has a name server of its own on the host's loopback, so that a guest that asks too much takes
    nothing from the others.
    """

    def __init__(self, mac: bytes, ip: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self.mac = mac
        self.ip = ip
        self._clock = clock
        self._servers: dict[bytes, _NameServer] = {}
        """By the MAC address of the NIC."""
        self._taken: set[tuple[int, int]] = set()
        """Transport protocols and ports of all of them."""

    def add_name_server(self, nic: bytes, udp_port: int, tcp_port: int) -> None:
        """Have a NIC's name server be on these ports."""
        former = self._servers.get(nic)
        if former is not None:
            self.remove_name_server(nic, former.ports[UDP])
        ports = {UDP: udp_port, TCP: tcp_port}
        self._servers[nic] = _NameServer(ports, TokenBucket(_QUESTION_BURST, _QUESTION_RATE, self._clock))
        self._taken |= ports.items()

    def remove_name_server(self, nic: bytes, udp_port: int) -> None:
        """Does nothing where the NIC has another one by now."""
        server = self._servers.get(nic)
        if server is not None and server.ports[UDP] == udp_port:
            del self._servers[nic]
            self._taken -= server.ports.items()

    def outbound(self, nic: bytes, frame: memoryview) -> bool:
        """Lead a frame that asks the gateway for a name to the name server of its NIC; returns whether the
        frame may leave: not when the NIC asks too much, nor to the port of a name server itself."""
        header = self._named_header(frame)
        if header is None or not self._is_gateway(frame, 16):
            return True
        protocol, port = frame[IP_AT + 9], port_at(frame, header + 2)
        if port != _DNS:
            return (protocol, port) not in self._taken
        server = self._servers.get(nic)
        if server is None or (protocol == UDP and not server.questions.try_take()):
            return False
        rewrite_port(frame, header, 2, server.ports[protocol])
        return True

    def inbound(self, nic: bytes, frame: memoryview) -> bool:
        """Have the answer of a NIC's name server come from port 53; returns whether the guest may have the
        frame: not the answers of the DHCP server that QEMU has beside ours."""
        header = self._named_header(frame)
        if header is None:
            return True
        source, protocol = port_at(frame, header), frame[IP_AT + 9]
        if protocol == UDP and source == DHCP_SERVER:
            return False
        server = self._servers.get(nic)
        if server is not None and source == server.ports[protocol] and self._is_gateway(frame, 12):
            rewrite_port(frame, header, 0, _DNS)
        return True

    def _is_gateway(self, frame: memoryview, offset: int) -> bool:
        return frame[IP_AT + offset : IP_AT + offset + 4] == self.ip

    def _named_header(self, frame: memoryview) -> int | None:
        """Where a TCP or UDP header begins, in a frame of IPv4."""
        if len(frame) < IP_AT + 20 or port_at(frame, 12) != IPV4 or frame[IP_AT + 9] not in (TCP, UDP):
            return None
        return transport(frame)
