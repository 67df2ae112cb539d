# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest may send to the others. Pure.

A guest may speak for its own addresses only: it is no DHCP server, no IPv6 router, not the gateway, and does
not answer ARP for another's address.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from callao.networks.usernet.packets import (
    ARP,
    ARP_SENDER_IP,
    ARP_SENDER_MAC,
    ARP_TARGET_IP,
    IP_AT,
    IPV4,
    IPV6,
    SERVICE_VLAN,
    UDP,
    VLAN,
    Frame,
    is_arp,
    is_fragment,
    port_at,
    transport,
)

DHCP_SERVER, DHCP_CLIENT = 67, 68
_DHCPV6_CLIENT, _DHCPV6_SERVER = 546, 547

_ICMPV6, _FRAGMENT = 58, 44
_FRAGMENT_OFFSET = 0xFFF8
_ROUTER_ADVERTISEMENT, _REDIRECT = 134, 137
_VLAN_ID = 0x0FFF
_EXTENSIONS = frozenset({0, 43, 60})
"""IPv6 extension headers before which a router advertisement could be hidden, see RFC 7113."""


class Verdict(enum.Enum):
    """What is done with a frame."""

    FORWARD = enum.auto()
    """By its destination's MAC address."""
    TO_GATEWAY = enum.auto()
    """An ARP request for the gateway's address, which the others need not hear."""
    DHCP = enum.auto()
    """A message for the DHCP server; ``IP_AT`` and UDP headers are whole."""
    DROP = enum.auto()


@dataclass(frozen=True)
class Guard:
    """Of one network.

    ``owner_of`` returns the MAC address that an IPv4 address is leased to, if any.
    """

    gateway_ip: bytes
    owner_of: Callable[[bytes], bytes | None]

    def verdict(self, frame: Frame) -> Verdict:
        """On a frame of a guest whose source MAC address is known to be its own."""
        ethertype = port_at(frame, 12)
        if ethertype == IPV4:
            return self._ipv4(frame)
        if ethertype == ARP:
            return self._arp(frame)
        if ethertype == IPV6 and _speaks_as_router(frame):
            return Verdict.DROP
        if ethertype in (VLAN, SERVICE_VLAN) and not port_at(frame, IP_AT) & _VLAN_ID:
            return Verdict.DROP  # of no VLAN: receivers read what is inside as if it had no tag
        return Verdict.FORWARD

    def _arp(self, frame: Frame) -> Verdict:
        if not is_arp(frame) or bytes(frame[ARP_SENDER_MAC:ARP_SENDER_IP]) != bytes(frame[6:12]):
            return Verdict.DROP
        sender = bytes(frame[ARP_SENDER_IP : ARP_SENDER_IP + 4])
        if sender == self.gateway_ip or self.owner_of(sender) not in (None, bytes(frame[6:12])):
            return Verdict.DROP
        if bytes(frame[ARP_TARGET_IP : ARP_TARGET_IP + 4]) == self.gateway_ip:
            return Verdict.TO_GATEWAY
        return Verdict.FORWARD

    def _ipv4(self, frame: Frame) -> Verdict:
        if len(frame) < IP_AT + 20 or frame[IP_AT + 9] != UDP:
            return Verdict.FORWARD
        at = transport(frame)
        if at is None:
            return Verdict.FORWARD if is_fragment(frame) else Verdict.DROP
        source, target = port_at(frame, at), port_at(frame, at + 2)
        if source == DHCP_SERVER or target == DHCP_CLIENT:
            return Verdict.DROP
        if target == DHCP_SERVER:
            return Verdict.DHCP
        return Verdict.FORWARD


def _speaks_as_router(frame: Frame) -> bool:
    if len(frame) < IP_AT + 40:
        return True
    kind, at = frame[IP_AT + 6], IP_AT + 40
    if kind == _FRAGMENT and len(frame) > at:
        kind = frame[at]
        if kind == UDP:
            later = len(frame) >= at + 4 and bool(port_at(frame, at + 2) & _FRAGMENT_OFFSET)
            return not later and _is_of_dhcpv6(frame, at + 8)
        return kind in (_ICMPV6, _FRAGMENT) or kind in _EXTENSIONS
    if kind == 0 and _is_multicast_listener_report(frame, at):
        return False
    if kind in _EXTENSIONS:
        return True
    if kind == _ICMPV6:
        return len(frame) <= at or frame[at] in (_ROUTER_ADVERTISEMENT, _REDIRECT)
    return kind == UDP and _is_of_dhcpv6(frame, at)


def _is_of_dhcpv6(frame: Frame, at: int) -> bool:
    """Whether a server may have sent this datagram; true for a header that is cut off."""
    if len(frame) < at + 8:
        return True
    return port_at(frame, at) == _DHCPV6_SERVER or port_at(frame, at + 2) == _DHCPV6_CLIENT


def _is_multicast_listener_report(frame: Frame, at: int) -> bool:
    """RFC 3810: the one message that has a hop-by-hop header by rule, of 8 bytes."""
    return (
        len(frame) > at + 8
        and frame[at] == _ICMPV6
        and frame[at + 1] == 0
        and frame[at + 8] in (131, 132, 143)
    )
