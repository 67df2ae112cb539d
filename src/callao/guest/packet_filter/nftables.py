# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads nftables by netlink, and what iptables keeps there: linux/netfilter/nfnetlink.h,
linux/netfilter/nf_tables.h.
"""

import sys

assert sys.platform == "linux"

import errno
import socket
import struct
from collections.abc import Iterator

from callao.guest.netlink import ATTRIBUTE, DumpInterrupted, NetlinkSocket, attributes, elements
from callao.guest.packet_filter.chains import FORWARD, INPUT, Chain, Closed, Rule, Table, evaluate

NETLINK_NETFILTER = 12
NFNL_SUBSYS_NFTABLES = 10
GET_CHAIN, GET_RULE, GET_GENERATION = 4, 7, 16
CHANGES = 7
"""The multicast group of changes, NFNLGRP_NFTABLES."""

ANY_FAMILY = bytes(4)
"""The header of a request: struct nfgenmsg."""

FAMILIES = (1, 2)
"""NFPROTO_INET and NFPROTO_IPV4: the host forwards to the NIC by IPv4."""

OWN_TABLES = ("callao", "netavark", "docker-bridges")
"""Ours, which drops only what spoofs an address, and those of engines that put all rules of their containers
into a table of their own."""

BE32 = struct.Struct("!i")
DROP, ACCEPT, JUMP, GOTO = 0, 1, -3, -4
DESTINATION = struct.pack("!I", 1), struct.pack("!I", 16), struct.pack("!I", 4)
"""Of a payload: base (the network header), offset and length of the destination's address in IPv4."""

EVENT_BUFFER = 4096
"""Bytes of unread events. They say no more than that something has changed, and so does an overflow."""


def parse_chain(body: bytes) -> "Chain | None":
    """Parse one chain of the list; None if it is of no interest."""
    found = attributes(body[4:])
    table, name = _text(found.get(1)), _text(found.get(3))
    if body[0] not in FAMILIES or table in OWN_TABLES:
        return None
    hook = attributes(found.get(4, b"")).get(1)
    policy = found.get(5)
    drops = policy is not None and _number(policy) == DROP
    return Chain(Table(body[0], table), name, None if hook is None else _number(hook), drops)


def parse_rule(body: bytes) -> "Rule | None":
    """Parse one rule of the list; None if it is of no interest."""
    found = attributes(body[4:])
    table = _text(found.get(1))
    if body[0] not in FAMILIES or table in OWN_TABLES:
        return None
    drops, accepts, jumps, address, limited = False, False, [], "", False
    at_destination = False
    for name, data in _expressions(found.get(4, b"")):
        if name == "immediate":
            verdict = attributes(attributes(data.get(2, b"")).get(2, b""))
            code = _number(verdict[1]) if 1 in verdict else None
            drops, accepts = drops or code == DROP, accepts or code == ACCEPT
            if code in (JUMP, GOTO):
                jumps.append(_text(verdict.get(2)))
        elif name == "cmp" and at_destination and not _number(data.get(2, b"")):
            value = attributes(data.get(3, b"")).get(1, b"")
            address = socket.inet_ntoa(value) if len(value) == 4 else address
        drops = drops or _may_drop(name, data)
        limited = limited or _may_be_limited(name, data)
        at_destination = name == "payload" and (data.get(2), data.get(3), data.get(4)) == DESTINATION
    named = address if accepts and not limited else ""
    return Rule(Table(body[0], table), _text(found.get(2)), drops, tuple(jumps), named)


def _may_drop(name: str, data: "dict[int, bytes]") -> bool:
    """Whether an expression may drop or reject: also a map of verdicts, whose elements are not read, and a
    program's queue.
    """
    if name == "target":
        return _text(data.get(1)) in ("REJECT", "DROP", "NFQUEUE")
    return name in ("reject", "queue") or (name == "lookup" and data.get(3) == bytes(4))


def _may_be_limited(name: str, data: "dict[int, bytes]") -> bool:
    """Whether an expression may leave out new connections."""
    return name == "ct" or (name == "match" and _text(data.get(1)) in ("conntrack", "state"))


def _expressions(data: bytes) -> "Iterator[tuple[str, dict[int, bytes]]]":
    for _, element in elements(data):
        found = attributes(element)
        yield _text(found.get(1)), attributes(found.get(2, b""))


def _text(value: "bytes | None") -> str:
    return (value or b"").rstrip(b"\0").decode("utf-8", "surrogateescape")


def _number(value: bytes) -> int:
    return int(BE32.unpack(value)[0]) if len(value) == BE32.size else 0


class Nftables:
    """:raises OSError: when the kernel has none, or we are not allowed to."""

    def __init__(self) -> None:
        self._netlink = NetlinkSocket(NETLINK_NETFILTER)
        self._parsed = {}  # type: dict[bytes, Rule | None]
        """The rules of the last dump: most of them are in the next one, too."""
        self._changes = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, NETLINK_NETFILTER
        )
        try:
            self._changes.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, EVENT_BUFFER)
            self._changes.bind((0, 1 << (CHANGES - 1)))
            self.generation()
        except OSError:
            self.close()
            raise

    @property
    def descriptor(self) -> int:
        """A descriptor for poll(2), readable when there was a change."""
        return self._changes.fileno()

    def drain(self) -> bool:
        """Whether there was a change since the last call."""
        changed = False
        while True:
            try:
                self._changes.recv(1)
            except BlockingIOError:
                return changed
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # there were more than the buffer holds
                    raise
            changed = True

    def generation(self) -> int:
        """A number that every change increases."""
        answer = self._netlink.ask(_kind(GET_GENERATION), ANY_FAMILY)
        return _number(attributes(answer[4:]).get(1, b""))

    def closed(self) -> Closed:
        """What the rules may drop.

        :raises OSError: when there are no answers.
        """
        chains = [each for each in map(parse_chain, self._dump(GET_CHAIN, ANY_FAMILY)) if each]
        # Only of these tables: a cluster's table of NAT may have ten thousands of rules.
        tables = {each.table for each in chains if each.hook in (INPUT, FORWARD)}
        dumps = [self._dump(GET_RULE, _rules_of(table)) for table in tables]
        # Without the number of the last change, which is in each header.
        bodies = [body[:2] + bytes(2) + body[4:] for dump in dumps for body in dump]
        parsed = self._parsed
        self._parsed = {body: parsed[body] if body in parsed else parse_rule(body) for body in bodies}
        return evaluate(chains, [each for each in self._parsed.values() if each])

    def _dump(self, what: int, request: bytes) -> "list[bytes]":
        """A list that changes all the time is taken as it is: its change has it read again."""
        try:
            return self._netlink.dump(_kind(what), request)
        except DumpInterrupted as interrupted:
            return interrupted.bodies

    def close(self) -> None:
        self._netlink.close()
        self._changes.close()


def _rules_of(table: Table) -> bytes:
    """The request for the rules of one table."""
    name = table.name.encode("utf-8", "surrogateescape") + b"\0"
    attribute = ATTRIBUTE.pack(ATTRIBUTE.size + len(name), 1) + name + bytes(-len(name) % 4)
    return bytes([table.family]) + ANY_FAMILY[1:] + attribute


def _kind(message: int) -> int:
    return NFNL_SUBSYS_NFTABLES << 8 | message
