# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the source of an answer: configured names, the host's getaddrinfo, or its name servers."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterable
from itertools import pairwise

import dnslib
from dnslib import RD, DNSLabel

from callao.resolver import message as dns
from callao.resolver.forwarder import Forwarder
from callao.resolver.hostnames import HostNames
from callao.resolver.limit import QueryLimit
from callao.resolver.message import Answer, Lookup, Record
from callao.resolver.names import hostname, to_label
from callao.resolver.rules import Address, AliasChain, ConfiguredNames

TTL = 5
"""Seconds, as in Lima: short, because the host's names may change, and the host has a cache itself."""

_ANY_TTL = 3789  # RFC 8482 section 4.2 has this example
_ANY = RD(b"\x07RFC8482\x00")
_FAMILIES = {dns.A: socket.AF_INET, dns.AAAA: socket.AF_INET6}


class Answerer:
    """:param limit: limits the questions that wait for the host or its name servers."""

    def __init__(
        self, known: ConfiguredNames, host: HostNames, forwarder: Forwarder, limit: QueryLimit, *, ipv6: bool
    ) -> None:
        self.known = known
        self._host = host
        self._forwarder = forwarder
        self._limit = limit
        self._ipv6 = ipv6

    async def answer(self, lookup: Lookup) -> Answer:
        """Raises LimitReached when too many questions wait."""
        question = lookup.question
        if question.qtype == dns.ANY:
            return Answer(answers=(Record(question.name, dns.HINFO, _ANY_TTL, _ANY),))
        if question.qtype == dns.AAAA and not self._ipv6:
            return Answer()
        name = hostname(question.name)
        if name is None:
            return await self._from_servers(lookup)
        if question.qtype == dns.PTR and (names := self.known.pointers(name)):
            return Answer(answers=tuple(_pointers(question.name, names)))
        chain = self.known.follow(name)
        if chain is None:
            return Answer(dns.SERVFAIL)
        return await self._answer_for_alias_chain(lookup, chain)

    async def _answer_for_alias_chain(self, lookup: Lookup, chain: AliasChain) -> Answer:
        """The aliases, and the records of the last name (RFC 1034 section 4.3.2, step 3a)."""
        qtype = lookup.question.qtype
        # The client's own spelling of its name comes first, as it has to come back in the question.
        labels = [lookup.question.name, *map(to_label, chain.names[1:])]
        aliases = tuple(_alias(*pair) for pair in pairwise(labels))
        if aliases and qtype == dns.CNAME:
            return Answer(answers=aliases[:1])
        if chain.addresses:
            return Answer(answers=(*aliases, *_addresses(labels[-1], chain.addresses, qtype)))
        if qtype in _FAMILIES:
            rest = await self._from_host(labels[-1], chain.names[-1], qtype)
        else:
            question = dataclasses.replace(lookup.question, name=labels[-1])
            rest = await self._from_servers(dataclasses.replace(lookup, question=question))
        if not aliases:
            return rest
        # The aliases are our own, so the answer as a whole is not signed.
        return dataclasses.replace(rest, answers=aliases + rest.answers, authenticated=False)

    async def _from_host(self, label: DNSLabel, name: str, qtype: int) -> Answer:
        with self._limit.held():
            found = await self._host.find(name, _FAMILIES[qtype])
        if not found.addresses or found.name == name:
            return Answer(found.rcode, tuple(_addresses(label, found.addresses, qtype)))
        official = to_label(found.name)
        return Answer(answers=(_alias(label, official), *_addresses(official, found.addresses, qtype)))

    async def _from_servers(self, lookup: Lookup) -> Answer:
        with self._limit.held():
            return await self._forwarder.answer(lookup)


def _alias(name: DNSLabel, target: DNSLabel) -> Record:
    return Record(name, dns.CNAME, TTL, dnslib.CNAME(target))


def _pointers(name: DNSLabel, targets: Iterable[str]) -> Iterable[Record]:
    return (Record(name, dns.PTR, TTL, dnslib.PTR(to_label(target))) for target in targets)


def _addresses(name: DNSLabel, addresses: Iterable[Address], qtype: int) -> Iterable[Record]:
    version = {dns.A: 4, dns.AAAA: 6}.get(qtype)
    return (
        Record(name, qtype, TTL, RD(address.packed)) for address in addresses if address.version == version
    )
