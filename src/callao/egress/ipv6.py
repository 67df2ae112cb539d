# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from a guest's IPv6 frame, none of which is passed on, what the guest has tried to reach. Pure."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from callao.egress.refusals import Attempt
from callao.networks.usernet.packets import IP_AT, TCP, UDP

_HEADER = struct.Struct(">6xBx16s16s")
"""Next header, source and destination."""
_PAYLOAD_AT = IP_AT + 40
_PORTS = struct.Struct(">HH")
_FLAGS_AT = _PAYLOAD_AT + 13
_SYN, _ACK = 0x02, 0x10

_ICMP = 58
_NEIGHBOUR_SOLICITATION = 135
_TARGET_AT = _PAYLOAD_AT + 8
_LINK_MESSAGES = frozenset((*range(130, 138), 143))
"""ICMP types of multicast listener and neighbour discovery, which a guest's kernel sends by itself."""

_GROUP = 0xFF
"""The first byte of a multicast address."""
_LINK, _LINK_MASK = 0xFE80, 0xFFC0
"""The first two bytes of a link-local address."""
_UNSPECIFIED = bytes(16)

_REASON = "IPv6 is not passed on"


def attempt_of(frame: memoryview) -> Attempt | None:
    """What the guest has tried; None for what its kernel sends by itself.

    Before it sends anything to a neighbour, a guest asks for its Ethernet address. Nobody answers, so this
    question is all that is seen of such an attempt.
    """
    if len(frame) < _PAYLOAD_AT + 4:
        return Attempt("ipv6", "the packet is not whole")
    protocol, source, target = _HEADER.unpack_from(frame, IP_AT)
    if protocol == _ICMP and frame[_PAYLOAD_AT] in _LINK_MESSAGES:
        asked = bytes(frame[_TARGET_AT : _TARGET_AT + 16])
        is_question = frame[_PAYLOAD_AT] == _NEIGHBOUR_SOLICITATION and len(asked) == 16
        # Without a source the guest asks whether an address of its own is another's.
        if not is_question or source == _UNSPECIFIED or _is_on_the_link(asked):
            return None
        return Attempt("ipv6", _REASON, str(IPv6Address(asked)))
    if target[0] == _GROUP:
        return None
    address, port = str(IPv6Address(target)), _PORTS.unpack_from(frame, _PAYLOAD_AT)[1]
    if protocol == TCP:
        begins = len(frame) > _FLAGS_AT and frame[_FLAGS_AT] & (_SYN | _ACK) == _SYN
        return Attempt("tcp", _REASON, address, port) if begins else None
    if protocol == UDP:
        return Attempt("dns" if port == 53 else "udp", _REASON, address, port)
    return Attempt("icmp" if protocol == _ICMP else f"ip-{protocol}", _REASON, address)


def _is_on_the_link(address: bytes) -> bool:
    return address[0] == _GROUP or int.from_bytes(address[:2], "big") & _LINK_MASK == _LINK
