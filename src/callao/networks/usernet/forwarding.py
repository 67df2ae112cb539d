# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwards the frames of a stream: those of one flow in a row leave together, with their lengths.

Python's cost is that of each system call and of each decision. So a decision on a flow, which is the
destination, the source and the kind of its frames, is remembered in ``routes`` of the port that they come
from, and holds for the frames after until the table of MAC addresses changes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Protocol

from callao.networks.usernet.packets import (
    IP_AT,
    IPV4,
    LENGTH,
    LONGEST,
    LONGEST_STREAM_FRAME,
    SHORTEST,
    UDP,
    Frame,
)

_HEAD = struct.Struct(">I14s9xB")
"""Of a frame with its length: the Ethernet header; of IPv4 the transport protocol."""

_IPV4 = IPV4.to_bytes(2, "big")
_SHORTEST_IPV4 = IP_AT + 20

HEAD_SIZE = _HEAD.size
"""Bytes that have to be legible where a frame begins, also of one that is shorter."""


class OutOfStep(Exception):
    """A stream has no frame where one has to begin."""


class Outlet(Protocol):
    """Where frames leave to, and come from."""

    macs: set[bytes]
    """The MAC addresses that were seen there."""
    routes: dict[bytes, Outlet]
    """The outlets of flows from here, by the Ethernet header."""

    def send(self, frames: memoryview, sender: Outlet, /) -> None:
        """Send whole frames with their lengths, or queue a copy, or drop what has no place."""


Decide = Callable[[memoryview], "Outlet | None"]
"""Does what one frame, given with its length, needs; returns where it is to be sent to, if anywhere."""


def is_flow(frame: Frame) -> bool:
    """Whether what is decided on a frame holds for all with its Ethernet header: for IPv4 without UDP, in
    which DHCP and DNS are."""
    return len(frame) >= _SHORTEST_IPV4 and frame[12:IP_AT] == _IPV4 and frame[IP_AT + 9] != UDP


def forward(source: Outlet, buffer: memoryview, end: int, decide: Decide) -> int:
    """Forward the whole frames of a buffer up to an offset; returns how far they reach.

    :raises OutOfStep: where no frame can begin.
    """
    routes, unpack, length = source.routes, _HEAD.unpack_from, LENGTH.size
    at = run = 0
    flow: bytes | None = None
    target: Outlet | None = None
    while end - at >= length:
        size, head, protocol = unpack(buffer, at)
        after = at + length + size
        if after > end:
            if size > LONGEST_STREAM_FRAME:
                raise OutOfStep(f"a frame of {size} bytes; the longest has {LONGEST_STREAM_FRAME}")
            break
        if head != flow or protocol == UDP or not _SHORTEST_IPV4 <= size <= LONGEST:
            if target is not None and head[0] & 1:  # a group's frame does not overtake those before it
                target.send(buffer[run:at], source)
                target = None
            to: Outlet | None = None
            if SHORTEST <= size <= LONGEST:
                if size >= _SHORTEST_IPV4 and protocol != UDP:
                    to = routes.get(head)
                if to is None:
                    to = decide(buffer[at:after])
            flow = head if to is not None and to is routes.get(head) else None
            if to is not target:
                if target is not None:
                    target.send(buffer[run:at], source)
                run, target = at, to
        at = after
    if target is not None:
        target.send(buffer[run:at], source)
    return at


class MacTable:
    """The outlet of each MAC address that was seen."""

    def __init__(self) -> None:
        self._outlets: dict[bytes, Outlet] = {}

    def get(self, mac: bytes) -> Outlet | None:
        return self._outlets.get(mac)

    def __contains__(self, mac: bytes) -> bool:
        return mac in self._outlets

    def add(self, mac: bytes, outlet: Outlet) -> None:
        """Of an address that nobody else has."""
        outlet.macs.add(mac)
        self._outlets[mac] = outlet

    def remove(self, macs: Iterable[bytes], outlet: Outlet, every: Iterable[Outlet]) -> None:
        """Forget addresses of an outlet, and what the flows of all were decided by."""
        for mac in macs:
            if self._outlets.get(mac) is outlet:
                del self._outlets[mac]
        for each in every:
            each.routes.clear()
