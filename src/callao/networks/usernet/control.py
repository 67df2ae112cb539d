# SPDX-License-Identifier: GPL-3.0-or-later
"""What host agents and a network's daemon tell each other: JSON, one object a line, on a unix socket.

A connection is one NIC's membership. It begins with :class:`Join`, whose line carries a descriptor
(SCM_RIGHTS): the daemon's end of the NIC's stream of frames. The daemon answers :class:`Joined` or
:class:`Refused`, and tells
:class:`Names` each time they change. The membership ends with the connection, whoever's end that is.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

LONGEST_LINE = 1 << 20


class Join(msgspec.Struct, frozen=True, tag="join"):
    """``names`` are those of the guest in the network, ``hosts`` its ``hostResolver.hosts``."""

    instance: str
    mac: str
    names: tuple[str, ...] = ()
    hosts: dict[str, str] = {}


class Joined(msgspec.Struct, frozen=True, tag="joined"):
    """``address`` and ``gateway`` are IPv4 addresses, ``subnet`` has its prefix length."""

    address: str
    subnet: str
    gateway: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Why a NIC cannot be in the network."""

    why: str


class Names(msgspec.Struct, frozen=True, tag="names"):
    """All names of the network, each with an address or another name."""

    names: dict[str, str]


ToAgent: TypeAlias = Joined | Refused | Names

_to_agent: msgspec.json.Decoder[ToAgent] = msgspec.json.Decoder(ToAgent)
_join = msgspec.json.Decoder(Join)


def line(message: Join | ToAgent) -> bytes:
    """As it is sent."""
    return msgspec.json.encode(message) + b"\n"


def read_join(data: bytes) -> Join:
    """:raises msgspec.MsgspecError: when it is none."""
    return _join.decode(data)


def read_answer(data: bytes) -> ToAgent:
    """:raises msgspec.MsgspecError: when it is none."""
    return _to_agent.decode(data)
