# SPDX-License-Identifier: GPL-3.0-or-later
"""Encodes messages: answers to clients, queries to name servers."""

from __future__ import annotations

import dataclasses

from dnslib import EDNS0, RR, DNSHeader, DNSQuestion

from callao.resolver import message as dns
from callao.resolver.buffer import NameBuffer
from callao.resolver.message import Answer, Asked, Query

UPSTREAM_UDP = 1232
"""What crosses most networks in one piece, as the name servers' makers agreed for DNS flag day 2020."""


def write_query(asked: Asked, ident: int, *, edns: bool = True) -> bytes:
    header = DNSHeader(
        ident, 0, q=1, ar=int(edns), rd=asked.recursion, ad=asked.authentic, cd=asked.unchecked
    )
    buffer = NameBuffer()
    header.pack(buffer)
    question = asked.question
    DNSQuestion(question.name, question.qtype, question.qclass).pack(buffer)
    if edns:
        EDNS0(udp_len=UPSTREAM_UDP, flags="do" if asked.dnssec else "").pack(buffer)
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
    asked = query.asked
    rcode = answer.rcode if answer.rcode < 16 or query.edns else dns.SERVFAIL
    header = DNSHeader(
        query.ident,
        0,
        q=int(asked is not None),
        a=len(answer.answers),
        auth=len(answer.authority),
        ar=len(answer.additional) + int(query.edns),
        qr=1,
        opcode=query.opcode,
        tc=answer.truncated,
        rd=query.recursion,
        ra=1,
        # RFC 6840 section 5.8: only to those who ask for it.
        ad=answer.authentic and asked is not None and (asked.authentic or asked.dnssec),
        cd=asked is not None and asked.unchecked,
        rcode=rcode & 15,
    )
    buffer = NameBuffer()
    header.pack(buffer)
    if asked:
        DNSQuestion(asked.question.name, asked.question.qtype, asked.question.qclass).pack(buffer)
    for record in answer.records:
        RR(record.name, record.rtype, record.rclass, record.ttl, record.data).pack(buffer)
    if query.edns:
        flags = "do" if asked and asked.dnssec else ""
        EDNS0(udp_len=dns.LARGEST_UDP, ext_rcode=rcode >> 4, flags=flags).pack(buffer)
    return bytes(buffer.data)
