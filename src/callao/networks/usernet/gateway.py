# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's address as the guests see it: NAT for everything, and DNS on its port 53. Pure.

QEMU's network stack connects what comes for the gateway's address to the host's loopback, to the same port.
Our name server has no privilege for port 53 there, so the switch rewrites the port on both ways.
"""

from __future__ import annotations

from callao.networks.usernet.guard import DHCP_SERVER
from callao.networks.usernet.packets import IP_AT, TCP, UDP, port_at, rewrite_port, transport

_DNS = 53


class Gateway:
    """``udp_port`` and ``tcp_port`` are those of the name server on the host's loopback."""

    def __init__(self, mac: bytes, ip: bytes, udp_port: int, tcp_port: int) -> None:
        self.mac = mac
        self.ip = ip
        self._ports = {UDP: udp_port, TCP: tcp_port}

    def outbound(self, frame: memoryview) -> None:
        """Lead a guest's frame that asks the gateway for a name to the name server."""
        header = self._named_header(frame)
        if header is not None and self._is_gateway(frame, 16) and port_at(frame, header + 2) == _DNS:
            rewrite_port(frame, header, 2, self._ports[frame[IP_AT + 9]])

    def inbound(self, frame: memoryview) -> bool:
        """Have the name server's answer come from port 53; returns whether a guest may have the frame:
        not the answers of the DHCP server that QEMU has beside ours."""
        header = self._named_header(frame)
        if header is None:
            return True
        source = port_at(frame, header)
        if frame[IP_AT + 9] == UDP and source == DHCP_SERVER:
            return False
        if source == self._ports[frame[IP_AT + 9]] and self._is_gateway(frame, 12):
            rewrite_port(frame, header, 0, _DNS)
        return True

    def _is_gateway(self, frame: memoryview, offset: int) -> bool:
        return bytes(frame[IP_AT + offset : IP_AT + offset + 4]) == self.ip

    def _named_header(self, frame: memoryview) -> int | None:
        """Where a TCP or UDP header begins, in a frame of IPv4."""
        if len(frame) < IP_AT + 20 or port_at(frame, 12) != 0x0800 or frame[IP_AT + 9] not in self._ports:
            return None
        return transport(frame)
