# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's list of sockets by netlink: sock_diag(7), linux/inet_diag.h, linux/netlink.h."""

import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x10, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
REQUEST = struct.Struct("=BBBxI48s")  # family, protocol, extensions, padding, states, socket id
ANSWER = struct.Struct("=BBBB2s2s16s")  # family, state, timer, retransmissions, ports, source address
ERROR = struct.Struct("=i")

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
SIZES = {int(socket.AF_INET): 4, int(socket.AF_INET6): 16}
TRIES = 3


class Interrupted(OSError):
    """The list changed while it was read, so something may be missing."""


def request(family: int, proto: str, state: int, sequence: int) -> bytes:
    body = REQUEST.pack(family, PROTOCOLS[proto], 0, 1 << state, bytes(48))
    flags = NLM_F_REQUEST | NLM_F_DUMP
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, flags, sequence, 0) + body


def parse(data: bytes, sequence: int) -> "tuple[list[tuple[bytes, int]], bool]":
    """Addresses and ports of one datagram, and whether it was the last.

    :raises OSError: for the kernel's refusal: ENOENT means that it has no module for this protocol.
    """
    found = []  # type: list[tuple[bytes, int]]
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, number, _ = HEADER.unpack_from(data, at)
        body = at + HEADER.size
        if length < HEADER.size:
            raise OSError("netlink: a message shorter than its header")
        at += (length + 3) & ~3
        if number != sequence:
            continue
        if flags & NLM_F_DUMP_INTR:
            raise Interrupted("netlink: the list changed meanwhile")
        if kind in (NLMSG_DONE, NLMSG_ERROR):
            (code,) = ERROR.unpack_from(data, body) if length >= HEADER.size + ERROR.size else (0,)
            if code < 0:
                raise OSError(-code, "netlink: the kernel tells no sockets")
            return found, True
        family, _, _, _, port, _, address = ANSWER.unpack_from(data, body)
        if port != b"\0\0":
            found.append((address[: SIZES[family]], int.from_bytes(port, "big")))
    return found, False


class Diag:
    """One netlink socket, kept open."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG)
        self._socket.settimeout(2)
        self._sequence = 0

    def sockets(self, family: int, proto: str, state: int) -> "list[tuple[bytes, int]]":
        """Packed addresses and ports of all sockets of a family and protocol in that state."""
        for _ in range(TRIES - 1):
            try:
                return self._dump(family, proto, state)
            except Interrupted:
                continue
        return self._dump(family, proto, state)

    def _dump(self, family: int, proto: str, state: int) -> "list[tuple[bytes, int]]":
        self._sequence += 1
        self._socket.send(request(family, proto, state, self._sequence))
        found = []  # type: list[tuple[bytes, int]]
        last = False
        while not last:
            some, last = parse(self._socket.recv(1 << 16), self._sequence)
            found += some
        return found

    def close(self) -> None:
        self._socket.close()
