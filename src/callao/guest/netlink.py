# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the kernel by netlink: netlink(7), linux/netlink.h."""

import sys

assert sys.platform == "linux"

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

NLM_F_REQUEST, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x10, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ERROR = struct.Struct("=i")
ATTRIBUTE = struct.Struct("=HH")  # length, type; its value follows, and up to three bytes of padding
ATTRIBUTE_TYPE = 0x3FFF
"""The two bits beside these say that an attribute is nested, or in network byte order."""

TIMEOUT = 2.0
"""Seconds to wait for each part of an answer."""

DUMP_ATTEMPTS = 3


class DumpInterrupted(OSError):
    """What is listed changed while the kernel dumped it, so entries may be missing from ``bodies``."""

    def __init__(self, bodies: "list[bytes]") -> None:
        super().__init__("netlink: what is listed changed while it was dumped")
        self.bodies = bodies


class Part(NamedTuple):
    """What one datagram has of an answer: the bodies of its messages, whether it is the last one, and
    whether what is listed changed meanwhile.
    """

    bodies: "list[bytes]"
    is_last: "bool"
    interrupted: "bool" = False


def elements(data: bytes) -> "Iterator[tuple[int, bytes]]":
    """The type and value of each attribute in ``data``, in their order."""
    offset = 0
    while offset + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, offset)
        yield kind & ATTRIBUTE_TYPE, data[offset + ATTRIBUTE.size : offset + length]
        offset += max((length + 3) & ~3, ATTRIBUTE.size)


def attributes(data: bytes) -> "dict[int, bytes]":
    """The attributes in ``data`` by type."""
    return dict(elements(data))


def parse(data: bytes, sequence: int) -> Part:
    """What one datagram has of the answer to a request.

    :raises OSError: when the kernel refuses. ENOENT means that it has no module for what is asked.
    """
    bodies = []  # type: list[bytes]
    offset, interrupted = 0, False
    while offset + HEADER.size <= len(data):
        length, kind, flags, number, _ = HEADER.unpack_from(data, offset)
        body, end = offset + HEADER.size, offset + length
        if length < HEADER.size:
            raise OSError("netlink: a message shorter than its header")
        offset += (length + 3) & ~3
        if number != sequence:
            continue
        interrupted = interrupted or bool(flags & NLM_F_DUMP_INTR)
        if kind in (NLMSG_DONE, NLMSG_ERROR):
            (code,) = ERROR.unpack_from(data, body) if length >= HEADER.size + ERROR.size else (0,)
            if code < 0:
                raise OSError(-code, "netlink: the kernel refuses")
            return Part(bodies, True, interrupted)
        bodies.append(data[body:end])
    return Part(bodies, False, interrupted)


class NetlinkSocket:
    """One socket of a netlink protocol, kept open."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, protocol)
        self._socket.settimeout(TIMEOUT)
        self._sequence = 0

    def ask(self, kind: int, body: bytes) -> bytes:
        """The body of an answer that is one message.

        :raises OSError: when the kernel refuses, or does not answer in time.
        """
        self._send(kind, NLM_F_REQUEST, body)
        part = Part([], False)
        while not part.bodies and not part.is_last:
            part = parse(self._socket.recv(1 << 16), self._sequence)
        return part.bodies[0] if part.bodies else b""

    def dump(self, kind: int, body: bytes) -> "list[bytes]":
        """The bodies of all messages of a list.

        :raises DumpInterrupted: when the list changes all the time. :raises OSError: when the kernel
            refuses, or does not answer in time.
        """
        for _ in range(DUMP_ATTEMPTS - 1):
            try:
                return self._dump(kind, body)
            except DumpInterrupted:
                continue
        return self._dump(kind, body)

    def _dump(self, kind: int, body: bytes) -> "list[bytes]":
        self._send(kind, NLM_F_REQUEST | NLM_F_DUMP, body)
        bodies = []  # type: list[bytes]
        part, interrupted = Part([], False), False
        # To the end even of a useless list: the kernel dumps one at a time to a socket.
        while not part.is_last:
            part = parse(self._socket.recv(1 << 16), self._sequence)
            bodies += part.bodies
            interrupted = interrupted or part.interrupted
        if interrupted:
            raise DumpInterrupted(bodies)
        return bodies

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(HEADER.pack(HEADER.size + len(body), kind, flags, self._sequence, 0) + body)

    def close(self) -> None:
        self._socket.close()
