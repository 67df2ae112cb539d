# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS questions and answers as records, without their wire format."""

from __future__ import annotations

from dataclasses import dataclass

from dnslib import RD, DNSLabel

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 41, 255
IN = 1

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, BADVERS = 0, 1, 2, 3, 4, 5, 6, 16

MIN_UDP = 512
MAX_UDP = 4096
MAX_TCP = 65535


@dataclass(frozen=True)
class Question:
    """A question (RFC 1035 section 4.1.2). Comparison ignores the case of the name."""

    name: DNSLabel
    qtype: int
    qclass: int = IN


@dataclass(frozen=True)
class Lookup:
    """A question and the flags that affect its answer: RD, AD, CD and DO (RFC 4035 section 3.2)."""

    question: Question
    recursion: bool = True
    authenticated: bool = False
    checking_disabled: bool = False
    dnssec: bool = False


@dataclass(frozen=True)
class Query:
    """A client's message.

    ``rcode`` is what to answer at once, if not NOERROR; ``asked`` may be missing then. ``edns`` tells
    whether the client speaks EDNS (RFC 6891), ``size`` what it takes over UDP.
    """

    message_id: int
    opcode: int = 0
    recursion: bool = False
    lookup: Lookup | None = None
    edns: bool = False
    size: int = MIN_UDP
    rcode: int = NOERROR


@dataclass(frozen=True)
class Record:
    """A resource record (RFC 1035 section 4.1.3)."""

    name: DNSLabel
    rtype: int
    ttl: int
    data: RD
    rclass: int = IN


@dataclass(frozen=True)
class Answer:
    """The result of a question. A truncated answer has no records."""

    rcode: int = NOERROR
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authenticated: bool = False
    truncated: bool = False

    @property
    def records(self) -> tuple[Record, ...]:
        return self.answers + self.authority + self.additional
