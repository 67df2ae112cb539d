# SPDX-License-Identifier: GPL-3.0-or-later
"""Encodes messages: answers to clients, queries to name servers."""

from __future__ import annotations

import dataclasses

from dnslib import EDNS0, RR, DNSHeader, DNSQuestion

from callao.resolver import message as dns
from callao.resolver.buffer import NameBuffer
from callao.resolver.message import Answer, Lookup, Query

UPSTREAM_UDP = 1232
"""Bytes of a datagram that most networks do not fragment, as agreed for DNS flag day 2020."""


def write_query(lookup: Lookup, message_id: int, *, edns: bool = True) -> bytes:
    header = DNSHeader(
        message_id,
        0,
        q=1,
        ar=int(edns),
        rd=lookup.recursion,
        ad=lookup.authenticated,
        cd=lookup.checking_disabled,
    )
    buffer = NameBuffer()
    header.pack(buffer)
    question = lookup.question
    DNSQuestion(question.name, question.qtype, question.qclass).pack(buffer)
    if edns:
        EDNS0(udp_len=UPSTREAM_UDP, flags="do" if lookup.dnssec else "").pack(buffer)
    return bytes(buffer.data)


def write_answer(query: Query, answer: Answer, limit: int) -> bytes:
    """At most ``limit`` bytes: without additional records (RFC 2181 section 9), else truncated."""
    whole = _write(query, answer)
    if len(whole) <= limit:
        return whole
    fewer = _write(query, dataclasses.replace(answer, additional=()))
    if len(fewer) <= limit:
        return fewer
    return _write(query, Answer(answer.rcode, truncated=True))


def _write(query: Query, answer: Answer) -> bytes:
    lookup = query.lookup
    rcode = answer.rcode if answer.rcode < 16 or query.edns else dns.SERVFAIL
    header = DNSHeader(
        query.message_id,
        0,
        q=int(lookup is not None),
        a=len(answer.answers),
        auth=len(answer.authority),
        ar=len(answer.additional) + int(query.edns),
        qr=1,
        opcode=query.opcode,
        tc=answer.truncated,
        rd=query.recursion,
        ra=1,
        # RFC 6840 section 5.8: only to those who ask for it.
        ad=answer.authenticated and lookup is not None and (lookup.authenticated or lookup.dnssec),
        cd=lookup is not None and lookup.checking_disabled,
        rcode=rcode & 15,
    )
    buffer = NameBuffer()
    header.pack(buffer)
    if lookup:
        DNSQuestion(lookup.question.name, lookup.question.qtype, lookup.question.qclass).pack(buffer)
    for record in answer.records:
        RR(record.name, record.rtype, record.rclass, record.ttl, record.data).pack(buffer)
    if query.edns:
        flags = "do" if lookup and lookup.dnssec else ""
        EDNS0(udp_len=dns.MAX_UDP, ext_rcode=rcode >> 4, flags=flags).pack(buffer)
    return bytes(buffer.data)
