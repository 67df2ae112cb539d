# SPDX-License-Identifier: GPL-3.0-or-later
"""Decodes messages: queries of clients, answers of name servers."""

from __future__ import annotations

import dataclasses
import struct

import dnslib
from dnslib import RD, DNSError, DNSHeader
from dnslib.bimap import BimapError

from callao.resolver import message as dns
from callao.resolver.buffer import NameBuffer, WireError
from callao.resolver.message import Answer, Lookup, Query, Question, Record

_MALFORMED = (WireError, DNSError, BimapError, ValueError, struct.error)

_NAMED = {dns.NS: dnslib.NS, dns.CNAME: dnslib.CNAME, dns.SOA: dnslib.SOA, dns.PTR: dnslib.PTR,
          dns.MX: dnslib.MX, dns.SRV: dnslib.SRV}  # fmt: skip
"""Records whose names may be compressed; all others stay as they are (RFC 3597 section 4)."""

_TRANSACTIONS = {dns.OPT, *range(249, 255)}
"""Types that are not data (RFC 6895 section 3.1): OPT, TKEY, TSIG, IXFR, AXFR, MAILB, MAILA."""

_MAX_QUERY_RECORDS = 8
"""Records in a query, usually one OPT; limited, because decoding thousands delays other answers."""


def read_query(data: bytes) -> Query | None:
    """The query; None for messages that get no answer: too short for an id, or an answer themselves."""
    if len(data) < 4 or data[2] & 0x80:
        return None
    message_id, flags = struct.unpack_from("!HH", data)
    opcode = flags >> 11 & 15
    refused = Query(message_id, opcode, bool(flags & 0x100), rcode=dns.FORMERR)
    if opcode:
        return dataclasses.replace(refused, rcode=dns.NOTIMP)
    try:
        return _query(NameBuffer(data), refused)
    except _MALFORMED:
        return refused


def _query(buffer: NameBuffer, refused: Query) -> Query:
    header = DNSHeader.parse(buffer)
    count = header.a + header.auth + header.ar
    if header.q != 1 or count > _MAX_QUERY_RECORDS:  # RFC 9619
        return refused
    question = _question(buffer)
    records = [_record(buffer) for _ in range(count)]
    options = [record for record in records if record.rtype == dns.OPT]
    if len(options) > 1 or any(option.name.label for option in options):  # RFC 6891 section 6.1
        return refused
    bits = options[0].ttl if options else 0
    lookup = Lookup(question, bool(header.rd), bool(header.ad), bool(header.cd), bool(bits & 0x8000))
    size = options[0].rclass if options else 0
    return dataclasses.replace(
        refused,
        lookup=lookup,
        edns=bool(options),
        size=min(max(size, dns.MIN_UDP), dns.MAX_UDP),
        rcode=dns.BADVERS if bits >> 16 & 0xFF else _refusal(question),
    )


def _refusal(question: Question) -> int:
    if question.qclass != dns.IN or question.qtype in _TRANSACTIONS:
        return dns.REFUSED
    return dns.NOERROR


def read_answer(data: bytes, message_id: int, question: Question) -> Answer | None:
    """The answer; None if its id or its question differ from the query's (RFC 5452 section 9.1)."""
    try:
        buffer = NameBuffer(data)
        header = DNSHeader.parse(buffer)
        if (header.id, header.qr, header.opcode, header.q) != (message_id, 1, 0, 1):
            # A server that knows no EDNS may answer FORMERR with a header alone (RFC 6891 section 7).
            alone = (header.id, header.qr, header.q, header.rcode) == (message_id, 1, 0, dns.FORMERR)
            return Answer(dns.FORMERR) if alone else None
        if _question(buffer) != question:
            return None
        if header.tc:
            return Answer(truncated=True)
        sections = [
            tuple(_record(buffer) for _ in range(count)) for count in (header.a, header.auth, header.ar)
        ]
    except _MALFORMED:
        return None
    options = [record for record in sections[2] if record.rtype == dns.OPT]
    extended = options[0].ttl >> 24 << 4 if options else 0
    return Answer(
        header.rcode | extended,
        sections[0],
        sections[1],
        tuple(record for record in sections[2] if record.rtype != dns.OPT),
        bool(header.ad),
    )


def _question(buffer: NameBuffer) -> Question:
    name = buffer.decode_name()
    return Question(name, *buffer.unpack("!HH"))


def _record(buffer: NameBuffer) -> Record:
    name = buffer.decode_name()
    rtype, rclass, ttl, length = buffer.unpack("!HHIH")
    end = buffer.offset + length
    kind = _NAMED.get(rtype)
    data = kind.parse(buffer, length) if kind else RD(buffer.get(length))
    if buffer.offset != end:
        raise WireError("A record's data is not as long as it says.")
    return Record(name, rtype, ttl, data, rclass)
