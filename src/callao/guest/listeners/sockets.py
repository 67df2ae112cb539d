# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists listening sockets: TCP in state LISTEN, and UDP bound to a port and not connected.

An IPv4-mapped IPv6 address is reported as the IPv4 address. ``::`` accepts IPv4 as well unless its socket is
IPV6_V6ONLY: such a listener has the source ``v6only``. Netlink has this information, /proc does not.
"""

import sys

assert sys.platform == "linux"

import socket
import struct
from typing import NamedTuple

from callao.guest.listeners.diag import SockDiag
from callao.guest.messages import V6ONLY

LISTEN, CLOSE = 10, 7
"""Kernel: include/net/tcp_states.h. UDP has CLOSE when it is not connected."""

STATES = {"tcp": LISTEN, "udp": CLOSE}
MAX_NETLINK_FAILURES = 3
"""Failures in a row after which netlink is not tried again."""

IPV4_MAPPED_PREFIX = bytes(10) + b"\xff\xff"


class Listener(NamedTuple):
    proto: "str"
    address: "str"
    port: "int"
    source: "str" = "socket"


def format_address(packed: bytes) -> str:
    """Format an address of 4 or 16 bytes in network byte order."""
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    if packed[:12] == IPV4_MAPPED_PREFIX:
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)


def parse_proc_table(proto: str, text: str) -> "set[Listener]":
    """The listeners in the text of one of /proc/net/{tcp,tcp6,udp,udp6}.

    Addresses are 32-bit words in the machine's byte order, in hexadecimal (proc_pid_net(5)).
    """
    state = f"{STATES[proto]:02X}"
    found = set()
    for line in text.splitlines()[1:]:
        fields = line.split(None, 4)
        if len(fields) < 4 or fields[3] != state:
            continue
        address, _, port = fields[1].partition(":")
        words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
        if int(port, 16):
            packed = struct.pack(f"={len(words)}I", *words)
            found.add(Listener(proto, format_address(packed), int(port, 16)))
    return found


def scan_proc() -> "set[Listener]":
    found = set()  # type: set[Listener]
    for proto in STATES:
        for suffix in ("", "6"):
            try:
                with open("/proc/net/" + proto + suffix) as table:  # noqa: PTH123 (each second: plain is quicker)
                    found |= parse_proc_table(proto, table.read())
            except FileNotFoundError:  # the kernel has no IPv6
                continue
    return found


def scan_netlink(diag: SockDiag) -> "set[Listener]":
    """:raises OSError: when this kernel cannot list sockets by netlink."""
    return {
        Listener(proto, format_address(packed), port, V6ONLY if only_v6 and not any(packed) else "socket")
        for proto, state in STATES.items()
        for family in (socket.AF_INET, socket.AF_INET6)
        for packed, port, only_v6 in diag.sockets(family, proto, state)
    }


class SocketScanner:
    """Uses netlink while it works, because it lists listeners alone, and /proc lists each connection."""

    def __init__(self) -> None:
        self._diag = None  # type: SockDiag | None
        self._failures = 0

    def scan(self) -> "set[Listener]":
        if self._failures < MAX_NETLINK_FAILURES:
            try:
                self._diag = self._diag or SockDiag()
                found = scan_netlink(self._diag)
            except OSError:
                self._failures += 1
                self.close()
            else:
                self._failures = 0
                return found
        return scan_proc()

    def close(self) -> None:
        if self._diag is not None:
            self._diag.close()
            self._diag = None
