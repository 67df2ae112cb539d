# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers a guest's DNS questions for allowed names only, and remembers the addresses of the answers.

No other question reaches a name server, so that names cannot carry data out of the guest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

from callao.egress.pins import Pins
from callao.egress.policy import Policy
from callao.egress.refusals import Attempt, Refusals
from callao.resolver import message as dns
from callao.resolver.answers import Answerer
from callao.resolver.message import Answer, Lookup, Record
from callao.resolver.names import hostname

_REASON = "the name is not allowed"


@dataclass(frozen=True)
class AllowedNames:
    """Stands before the answerer of a guest's resolver. ``policy`` returns the present one."""

    policy: Callable[[], Policy]
    pins: Pins
    refusals: Refusals
    inner: Answerer

    async def answer(self, lookup: Lookup) -> Answer:
        policy, question = self.policy(), lookup.question
        if question.qtype == dns.PTR:
            return Answer(dns.NXDOMAIN)  # guests ask for the names of all addresses that they see
        name = hostname(question.name)
        chain = self.inner.known.follow(name) if name is not None else None
        configured = chain is not None and bool(chain.addresses)
        if name is None or not (configured or policy.knows_name(name)):
            self.refusals.add(Attempt("dns", _REASON, name=name or str(question.name).removesuffix(".")))
            return Answer(dns.NXDOMAIN)
        if question.qtype != dns.A:
            return Answer()
        answer = await self.inner.answer(lookup)
        kept = tuple(
            record for record in answer.answers if self._is_kept(record, policy, name, configured=configured)
        )
        return Answer(answer.rcode, kept)

    def _is_kept(self, record: Record, policy: Policy, name: str, *, configured: bool) -> bool:
        if record.rtype != dns.A:
            return record.rtype == dns.CNAME
        address = IPv4Address(bytes(record.data.data))
        if configured and not policy.knows_name(name):
            return True  # a name of this guest itself, for example
        if not policy.may_be_of_name(address, configured=configured):
            reason = "the name leads to an address of the host, or to no single machine"
            self.refusals.add(Attempt("dns", reason, str(address), name=name))
            return False
        self.pins.add(name, address)
        return True
