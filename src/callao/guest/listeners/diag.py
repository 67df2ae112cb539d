# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the kernel's list of sockets by netlink: sock_diag(7), linux/inet_diag.h, linux/netlink.h."""

import sys

assert sys.platform == "linux"

import socket
import struct
from typing import NamedTuple

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x10, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
REQUEST = struct.Struct("=BBBxI48s")  # family, protocol, extensions, padding, states, socket id
RESPONSE = struct.Struct("=BBBB2s2s16s")  # family, state, timer, retransmissions, ports, source address
ERROR = struct.Struct("=i")
ATTRIBUTE = struct.Struct("=HH")  # length, type; its value follows, and up to three bytes of padding
RESPONSE_SIZE = 72
"""Size of struct inet_diag_msg, with the fields that are not used here."""

INET_DIAG_SKV6ONLY = 11
"""The attribute that says whether a socket accepts IPv6 alone; the kernel sends it for listening sockets
only."""


class SocketEntry(NamedTuple):
    address: "bytes"
    """In network byte order."""
    port: "int"
    v6only: "bool"


PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
ADDRESS_SIZES = {int(socket.AF_INET): 4, int(socket.AF_INET6): 16}
DUMP_ATTEMPTS = 3


class DumpInterrupted(OSError):
    """The list changed while the kernel dumped it, so entries may be missing."""


def request(family: int, proto: str, state: int, sequence: int) -> bytes:
    body = REQUEST.pack(family, PROTOCOLS[proto], 0, 1 << state, bytes(48))
    flags = NLM_F_REQUEST | NLM_F_DUMP
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, flags, sequence, 0) + body


def parse(data: bytes, sequence: int) -> "tuple[list[SocketEntry], bool]":
    """The sockets in one datagram, and whether it was the last.

    :raises OSError: when the kernel refuses. ENOENT means that it has no module for this protocol.
    """
    sockets = []  # type: list[SocketEntry]
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, number, _ = HEADER.unpack_from(data, offset)
        body, end = offset + HEADER.size, offset + length
        if length < HEADER.size:
            raise OSError("netlink: a message shorter than its header")
        offset += (length + 3) & ~3
        if number != sequence:
            continue
        if flags & NLM_F_DUMP_INTR:
            raise DumpInterrupted("netlink: the list of sockets changed while it was dumped")
        if kind in (NLMSG_DONE, NLMSG_ERROR):
            (code,) = ERROR.unpack_from(data, body) if length >= HEADER.size + ERROR.size else (0,)
            if code < 0:
                raise OSError(-code, "netlink: the kernel refuses to list sockets")
            return sockets, True
        family, _, _, _, port, _, address = RESPONSE.unpack_from(data, body)
        if port != b"\0\0":
            only_v6 = family == socket.AF_INET6 and v6only(data[body + RESPONSE_SIZE : end])
            sockets.append(
                SocketEntry(address[: ADDRESS_SIZES[family]], int.from_bytes(port, "big"), only_v6)
            )
    return sockets, False


def v6only(attributes: bytes) -> bool:
    """Whether the attributes of a response have INET_DIAG_SKV6ONLY set."""
    offset = 0
    while offset + ATTRIBUTE.size <= len(attributes):
        length, kind = ATTRIBUTE.unpack_from(attributes, offset)
        if kind == INET_DIAG_SKV6ONLY:
            return any(attributes[offset + ATTRIBUTE.size : offset + length])
        offset += max((length + 3) & ~3, ATTRIBUTE.size)
    return False


class SockDiag:
    """One netlink socket, kept open."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG)
        self._socket.settimeout(2)
        self._sequence = 0

    def sockets(self, family: int, proto: str, state: int) -> "list[SocketEntry]":
        """All sockets of a family and protocol that are in a state."""
        for _ in range(DUMP_ATTEMPTS - 1):
            try:
                return self._dump(family, proto, state)
            except DumpInterrupted:
                continue
        return self._dump(family, proto, state)

    def _dump(self, family: int, proto: str, state: int) -> "list[SocketEntry]":
        self._sequence += 1
        self._socket.send(request(family, proto, state, self._sequence))
        sockets = []  # type: list[SocketEntry]
        complete = False
        while not complete:
            more, complete = parse(self._socket.recv(1 << 16), self._sequence)
            sockets += more
        return sockets

    def close(self) -> None:
        self._socket.close()
