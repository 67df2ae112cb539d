# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest is told about names, and what of its questions leaves the host."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from pathlib import Path

import dnslib
import pytest
from dnslib import RD, DNSLabel

from callao.egress import Policy
from callao.egress.names import AllowedNames
from callao.egress.pins import Pins
from callao.egress.refusals import Refusals
from callao.guest_network import USER_MODE
from callao.resolver import ConfiguredNames, Rules
from callao.resolver import message as dns
from callao.resolver.message import Answer, Lookup, Question, Record

ADDRESSES = ("93.184.216.34", "127.0.0.1", "192.168.5.2", "169.254.169.254", "10.0.0.7")


class Upstream:
    """Answers each question, and notes it."""

    def __init__(self, rules: Rules) -> None:
        self.known = ConfiguredNames(rules)
        self.asked: list[str] = []

    async def answer(self, lookup: Lookup) -> Answer:
        name = lookup.question.name
        chain = self.known.follow(str(name).removesuffix("."))
        if chain is not None and chain.addresses:
            return Answer(answers=tuple(Record(name, dns.A, 5, RD(each.packed)) for each in chain.addresses))
        self.asked.append(str(name))
        alias = Record(name, dns.CNAME, 5, dnslib.CNAME("alias.example"))
        return Answer(
            answers=(alias, *(Record(name, dns.A, 5, RD(IPv4Address(each).packed)) for each in ADDRESSES))
        )


class Guest:
    def __init__(self, *allow: str) -> None:
        self.upstream = Upstream(Rules(hosts={"own.test": "192.168.5.2"}, static={"lima-x": "192.168.5.15"}))
        self.pins, self.refusals = Pins(), Refusals(Path("/nonexistent/egress.log"))
        policy = Policy.of(allow, USER_MODE.subnet, USER_MODE.gateway)
        self.names = AllowedNames(lambda: policy, self.pins, self.refusals, self.upstream)  # type: ignore[arg-type]

    def asks(self, name: str, qtype: int = dns.A) -> tuple[int, list[str]]:
        answer = asyncio.run(self.names.answer(Lookup(Question(DNSLabel(name), qtype))))
        return answer.rcode, [
            str(IPv4Address(bytes(each.data.data))) for each in answer.answers if each.rtype == dns.A
        ]


def test_an_allowed_name_is_resolved_and_its_addresses_pinned_but_not_those_of_the_host() -> None:
    guest = Guest("a.example")
    assert guest.asks("A.example") == (dns.NOERROR, ["93.184.216.34", "10.0.0.7"])
    assert guest.pins.names_of(IPv4Address("10.0.0.7")) == {"a.example"}
    for special in ("127.0.0.1", "192.168.5.2", "169.254.169.254"):
        assert not guest.pins.names_of(IPv4Address(special))
    assert guest.refusals.total == 3


@pytest.mark.parametrize(
    "name",
    ["b.example", "x.a.example", "c2VjcmV0.tunnel.example", "a.example.evil.example", "_x.a.b", "a b"],
)
@pytest.mark.parametrize("qtype", [dns.A, dns.AAAA, dns.TXT, dns.ANY, dns.MX, 65])
def test_no_question_for_another_name_leaves_the_host(name: str, qtype: int) -> None:
    guest = Guest("a.example")
    assert guest.asks(name, qtype) == (dns.NXDOMAIN, [])
    assert not guest.upstream.asked
    assert guest.refusals.total == 1


@pytest.mark.parametrize("qtype", [dns.AAAA, dns.TXT, dns.MX, dns.SRV, 65, 64])
def test_only_addresses_are_asked_for(qtype: int) -> None:
    guest = Guest("a.example")
    assert guest.asks("a.example", qtype) == (dns.NOERROR, [])
    assert not guest.upstream.asked


def test_the_names_of_addresses_are_not_asked_for() -> None:
    guest = Guest("*")
    assert guest.asks("1.1.1.1.in-addr.arpa", dns.PTR)[0] == dns.NXDOMAIN
    assert not guest.upstream.asked
    assert not guest.refusals.total


def test_configured_names_are_told_and_pinned_where_they_are_allowed() -> None:
    guest = Guest("own.test:8080")
    assert guest.asks("lima-x") == (dns.NOERROR, ["192.168.5.15"])
    assert guest.asks("own.test") == (dns.NOERROR, ["192.168.5.2"])
    assert guest.pins.names_of(IPv4Address("192.168.5.2")) == {"own.test"}
    assert not Guest().pins.names_of(IPv4Address("192.168.5.15"))


def test_pins_expire_and_are_bounded() -> None:
    now = [0.0]
    pins = Pins(lambda: now[0])
    address = IPv4Address("10.0.0.1")
    for number in range(200):
        pins.add(f"n{number}.example", address)
    assert len(pins.names_of(address)) == 64
    now[0] = 3601
    assert not pins.names_of(address)
    for number in range(5000):
        pins.add("a.example", IPv4Address(number))
    assert not pins.names_of(IPv4Address(0))
    assert pins.names_of(IPv4Address(4999))


def test_what_is_listed_and_logged_has_no_control_characters_and_is_limited(tmp_path: Path) -> None:
    from callao.egress.refusals import Attempt

    log = tmp_path / "egress.log"
    refusals = Refusals(log)
    refusals.add(Attempt("dns", "r", name="before"))
    refusals.logging = True
    for number in range(1000):
        refusals.add(Attempt("dns", "r", name=f"\x1b[31mred\n\x07{number}" + "x" * 500))
    assert len(log.read_text().splitlines()) < 300
    assert "before" not in log.read_text()
    for each in refusals.listed():
        name = str(each["name"])
        assert name.isprintable()
        assert len(name) <= 253
