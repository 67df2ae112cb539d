# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sockets listen: TCP in state LISTEN, UDP bound to a port and connected to nobody.

An IPv4 address mapped into IPv6 is told as the IPv4 address it is. ``::`` takes IPv4 as well, unless its
socket is IPV6_V6ONLY: that has a source of its own, which netlink tells and /proc does not.
"""

import sys

assert sys.platform == "linux"

import socket
import struct
from typing import NamedTuple

from callao.guest.listeners.diag import Diag
from callao.guest.messages import V6ONLY

LISTEN, CLOSE = 10, 7
"""Kernel: include/net/tcp_states.h. UDP has CLOSE when it is not connected."""

STATES = {"tcp": LISTEN, "udp": CLOSE}
PATIENCE = 3
"""Failures in a row after which netlink is not asked again."""

MAPPED = bytes(10) + b"\xff\xff"


class Listener(NamedTuple):
    proto: "str"
    address: "str"
    port: "int"
    source: "str" = "socket"


def readable(packed: bytes) -> str:
    """An address of 4 or 16 bytes in network order as text."""
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    if packed[:12] == MAPPED:
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)


def from_table(proto: str, text: str) -> "set[Listener]":
    """The listeners of one /proc/net/{tcp,tcp6,udp,udp6}.

    Addresses are 32-bit words as the machine holds them, in hexadecimal (proc_pid_net(5)).
    """
    state = f"{STATES[proto]:02X}"
    found = set()
    for line in text.splitlines()[1:]:
        fields = line.split(None, 4)
        if len(fields) < 4 or fields[3] != state:
            continue
        address, _, port = fields[1].partition(":")
        words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
        if int(port, 16):
            packed = struct.pack(f"={len(words)}I", *words)
            found.add(Listener(proto, readable(packed), int(port, 16)))
    return found


def by_proc() -> "set[Listener]":
    found = set()  # type: set[Listener]
    for proto in STATES:
        for suffix in ("", "6"):
            try:
                with open("/proc/net/" + proto + suffix) as table:  # noqa: PTH123 (each second: plain is quicker)
                    found |= from_table(proto, table.read())
            except FileNotFoundError:  # the kernel has no IPv6
                continue
    return found


def by_netlink(diag: Diag) -> "set[Listener]":
    """:raises OSError: when this kernel cannot tell."""
    return {
        Listener(proto, readable(packed), port, V6ONLY if alone and not any(packed) else "socket")
        for proto, state in STATES.items()
        for family in (socket.AF_INET, socket.AF_INET6)
        for packed, port, alone in diag.sockets(family, proto, state)
    }


class Scanner:
    """Netlink as long as it works: it hands over listeners alone, where /proc has each connection."""

    def __init__(self) -> None:
        self._diag = None  # type: Diag | None
        self._failures = 0

    def scan(self) -> "set[Listener]":
        if self._failures < PATIENCE:
            try:
                self._diag = self._diag or Diag()
                found = by_netlink(self._diag)
            except OSError:
                self._failures += 1
                self.close()
            else:
                self._failures = 0
                return found
        return by_proc()

    def close(self) -> None:
        if self._diag is not None:
            self._diag.close()
            self._diag = None
