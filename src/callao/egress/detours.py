# SPDX-License-Identifier: GPL-3.0-or-later
"""Which flows end at a port of this host's loopback, and the rewriting of their frames.

QEMU's network stack connects what comes for the gateway's address to the host's loopback. So a frame for an
address that a name was resolved to gets the gateway's address and the relay's port, and a frame of the
answer the former ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from callao.networks.usernet.packets import TCP

_SOURCE, _DESTINATION = 26, 30
_SOURCE_PORT, _DESTINATION_PORT = 34, 36
_IP_CHECKSUM = 24
_CHECKSUMS = {TCP: 50}
_UDP_CHECKSUM = 40

Key = tuple[int, bytes, int]
"""Transport protocol, address, port."""


@dataclass(frozen=True)
class Detour:
    """``delta`` corrects the IPv4 checksum, ``port_delta`` that of TCP or UDP: RFC 1624, equation 3."""

    target: Key
    address: bytes
    port: bytes
    delta: int
    port_delta: int

    @classmethod
    def of(cls, target: Key, address: bytes, port: int) -> Detour:
        """From ``target`` to an address and port."""
        delta = _difference(target[1], address)
        port_bytes = port.to_bytes(2, "big")
        more = _difference(target[2].to_bytes(2, "big"), port_bytes)
        return cls(target, address, port_bytes, delta, delta + more)

    def back(self) -> Detour:
        """The other direction."""
        key = (self.target[0], self.address, int.from_bytes(self.port, "big"))
        return Detour.of(key, self.target[1], self.target[2])


def rewrite_destination(frame: memoryview, to: Detour) -> None:
    """Send a frame, which has 20 bytes of IPv4 header, to another address and port."""
    frame[_DESTINATION : _DESTINATION + 4] = to.address
    frame[_DESTINATION_PORT : _DESTINATION_PORT + 2] = to.port
    _correct(frame, to)


def rewrite_source(frame: memoryview, to: Detour) -> None:
    """Have a frame come from another address and port."""
    frame[_SOURCE : _SOURCE + 4] = to.address
    frame[_SOURCE_PORT : _SOURCE_PORT + 2] = to.port
    _correct(frame, to)


def _correct(frame: memoryview, to: Detour) -> None:
    _add(frame, _IP_CHECKSUM, to.delta)
    at = _CHECKSUMS.get(to.target[0], _UDP_CHECKSUM)
    if at == _UDP_CHECKSUM and not (frame[at] or frame[at + 1]):  # this datagram has none
        return
    if at + 2 <= len(frame):
        _add(frame, at, to.port_delta)


def _add(frame: memoryview, at: int, delta: int) -> None:
    total = ((frame[at] << 8 | frame[at + 1]) ^ 0xFFFF) + delta
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    total ^= 0xFFFF
    if at == _UDP_CHECKSUM:
        total = total or 0xFFFF
    frame[at], frame[at + 1] = total >> 8, total & 0xFF


def _difference(before: bytes, after: bytes) -> int:
    """What replacing 16-bit words adds to the one's complement sum."""
    words = range(0, len(before), 2)
    return sum(
        (int.from_bytes(before[each : each + 2], "big") ^ 0xFFFF)
        + int.from_bytes(after[each : each + 2], "big")
        for each in words
    )
