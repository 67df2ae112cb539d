# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the kernel's list of sockets by netlink: sock_diag(7), linux/inet_diag.h."""

import sys

assert sys.platform == "linux"

import socket
import struct
from typing import NamedTuple

from callao.guest.netlink import NetlinkSocket, attributes

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20

REQUEST = struct.Struct("=BBBxI48s")  # family, protocol, extensions, padding, states, socket id
RESPONSE = struct.Struct("=BBBB2s2s16s")  # family, state, timer, retransmissions, ports, source address
RESPONSE_SIZE = 72
"""Size of struct inet_diag_msg, with the fields that are not used here."""

INET_DIAG_SKV6ONLY = 11
"""The attribute that says whether a socket accepts IPv6 alone; the kernel sends it for listening sockets
only."""

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
ADDRESS_SIZES = {int(socket.AF_INET): 4, int(socket.AF_INET6): 16}


class SocketEntry(NamedTuple):
    address: "bytes"
    """In network byte order."""
    port: "int"
    v6only: "bool"


def parse_entry(body: bytes) -> SocketEntry:
    """Parse one socket of the list."""
    family, _, _, _, port, _, address = RESPONSE.unpack_from(body)
    only_v6 = family == socket.AF_INET6 and any(
        attributes(body[RESPONSE_SIZE:]).get(INET_DIAG_SKV6ONLY, b"")
    )
    return SocketEntry(address[: ADDRESS_SIZES[family]], int.from_bytes(port, "big"), only_v6)


class SockDiag:
    """One netlink socket, kept open."""

    def __init__(self) -> None:
        self._netlink = NetlinkSocket(NETLINK_SOCK_DIAG)

    def sockets(self, family: int, proto: str, state: int) -> "list[SocketEntry]":
        """All sockets of a family and protocol that are in a state and have a port.

        :raises OSError: when the kernel refuses to list them.
        """
        request = REQUEST.pack(family, PROTOCOLS[proto], 0, 1 << state, bytes(48))
        entries = map(parse_entry, self._netlink.dump(SOCK_DIAG_BY_FAMILY, request))
        return [each for each in entries if each.port]

    def close(self) -> None:
        self._netlink.close()
