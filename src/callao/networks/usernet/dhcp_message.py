# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP messages, RFC 2131 section 2 and RFC 2132: read with every length checked, and written. Pure.

Own code, because what a server for known guests needs is one fixed header and a list of options; the
libraries that have it bring a whole packet toolkit, which takes longer to import than the daemon to start.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

_HEAD = struct.Struct(">BBBBIHH4s4s4s4s16s64s128s4s")
_COOKIE = b"\x63\x82\x53\x63"
_REQUEST, _REPLY, _ETHERNET = 1, 2, 1
_SHORTEST = 300
"""Bytes, as BOOTP had; some clients take no fewer."""

_PAD, _END = 0, 255
BROADCAST_FLAG = 0x8000


class Kind(enum.IntEnum):
    """RFC 2132 section 9.6."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class Option(enum.IntEnum):
    """RFC 2132, and 3397 for the last."""

    MASK = 1
    ROUTER = 3
    DNS = 6
    MTU = 26
    BROADCAST = 28
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    KIND = 53
    SERVER = 54
    PARAMETERS = 55
    CLIENT_ID = 61


@dataclass(frozen=True)
class Message:
    """Of a client."""

    kind: Kind
    transaction: int
    flags: int
    client_ip: IPv4Address
    """What the client has already; 0.0.0.0 for nothing."""
    mac: bytes
    options: Mapping[int, bytes]

    def address(self, option: Option) -> IPv4Address | None:
        """The value of an option that is an address."""
        value = self.options.get(option, b"")
        return IPv4Address(value) if len(value) == 4 else None


def parse(data: bytes) -> Message | None:
    """A client's message; None for what is none, or comes by a relay agent."""
    if len(data) < _HEAD.size:
        return None
    op, hardware, length, hops, transaction, _, flags, client, _, _, relay, mac, _, _, cookie = _HEAD.unpack(
        data[: _HEAD.size]
    )
    if (op, hardware, length, hops, relay, cookie) != (_REQUEST, _ETHERNET, 6, 0, bytes(4), _COOKIE):
        return None
    options = _options(data[_HEAD.size :])
    kind = options.get(Option.KIND, b"")
    if len(kind) != 1 or kind[0] not in _CLIENT_KINDS:
        return None
    return Message(Kind(kind[0]), transaction, flags, IPv4Address(client), mac[:6], options)


def reply(
    asked: Message, kind: Kind, yours: IPv4Address, server: IPv4Address, options: Mapping[Option, bytes]
) -> bytes:
    """:param yours: the client's address; 0.0.0.0 for none."""
    client = asked.client_ip if kind is Kind.ACK else IPv4Address(0)
    head = _HEAD.pack(
        _REPLY, _ETHERNET, 6, 0, asked.transaction, 0, asked.flags, client.packed, yours.packed,
        server.packed if kind is not Kind.NAK else bytes(4), bytes(4), asked.mac, b"", b"", _COOKIE,
    )  # fmt: skip
    all_options = {Option.KIND: bytes([kind]), Option.SERVER: server.packed, **options}
    if Option.CLIENT_ID in asked.options:  # RFC 6842
        all_options[Option.CLIENT_ID] = asked.options[Option.CLIENT_ID]
    body = b"".join(bytes([option, len(value)]) + value for option, value in all_options.items())
    return (head + body + bytes([_END])).ljust(_SHORTEST, b"\0")


_CLIENT_KINDS = frozenset({Kind.DISCOVER, Kind.REQUEST, Kind.DECLINE, Kind.RELEASE, Kind.INFORM})


def _options(data: bytes) -> dict[int, bytes]:
    """An option that comes in pieces is joined (RFC 3396); one that is cut off ends the list."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            break
        value = data[at + 2 : at + 2 + data[at + 1]]
        found[data[at]] = (found.get(data[at], b"") + value)[:255]
        at += 2 + len(value)
    return found
