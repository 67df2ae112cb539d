# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's list of sockets by netlink: sock_diag(7), linux/inet_diag.h, linux/netlink.h."""

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
ANSWER = struct.Struct("=BBBB2s2s16s")  # family, state, timer, retransmissions, ports, source address
ERROR = struct.Struct("=i")
ATTRIBUTE = struct.Struct("=HH")  # length, type; its value follows, and up to three bytes of padding
ANSWER_SIZE = 72
"""Of struct inet_diag_msg, with what is of no interest here."""

SKV6ONLY = 11
"""INET_DIAG_SKV6ONLY: whether the socket takes IPv6 alone; only told of those that listen."""


class Socket(NamedTuple):
    address: "bytes"
    """In network order."""
    port: "int"
    v6only: "bool"


PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
SIZES = {int(socket.AF_INET): 4, int(socket.AF_INET6): 16}
TRIES = 3


class Interrupted(OSError):
    """The list changed while it was read, so something may be missing."""


def request(family: int, proto: str, state: int, sequence: int) -> bytes:
    body = REQUEST.pack(family, PROTOCOLS[proto], 0, 1 << state, bytes(48))
    flags = NLM_F_REQUEST | NLM_F_DUMP
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, flags, sequence, 0) + body


def parse(data: bytes, sequence: int) -> "tuple[list[Socket], bool]":
    """The sockets of one datagram, and whether it was the last.

    :raises OSError: for the kernel's refusal: ENOENT means that it has no module for this protocol.
    """
    found = []  # type: list[Socket]
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, number, _ = HEADER.unpack_from(data, at)
        body, end = at + HEADER.size, at + length
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
            alone = family == socket.AF_INET6 and v6only(data[body + ANSWER_SIZE : end])
            found.append(Socket(address[: SIZES[family]], int.from_bytes(port, "big"), alone))
    return found, False


def v6only(attributes: bytes) -> bool:
    """What the attributes of an answer say of it."""
    at = 0
    while at + ATTRIBUTE.size <= len(attributes):
        length, kind = ATTRIBUTE.unpack_from(attributes, at)
        if kind == SKV6ONLY:
            return any(attributes[at + ATTRIBUTE.size : at + length])
        at += max((length + 3) & ~3, ATTRIBUTE.size)
    return False


class Diag:
    """One netlink socket, kept open."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG)
        self._socket.settimeout(2)
        self._sequence = 0

    def sockets(self, family: int, proto: str, state: int) -> "list[Socket]":
        """All of a family and protocol in that state."""
        for _ in range(TRIES - 1):
            try:
                return self._dump(family, proto, state)
            except Interrupted:
                continue
        return self._dump(family, proto, state)

    def _dump(self, family: int, proto: str, state: int) -> "list[Socket]":
        self._sequence += 1
        self._socket.send(request(family, proto, state, self._sequence))
        found = []  # type: list[Socket]
        last = False
        while not last:
            some, last = parse(self._socket.recv(1 << 16), self._sequence)
            found += some
        return found

    def close(self) -> None:
        self._socket.close()
