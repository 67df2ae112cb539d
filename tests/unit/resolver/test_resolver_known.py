# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of hostResolver.hosts and of the caller."""

from __future__ import annotations

import pytest
from dnslib import RCODE
from resolver.running import shown
from resolver.upstream import says

from callao.resolver import Rules

HOSTS = {
    "Db.Example.com.": "10.1.2.3",
    "six.example.com": "fd00::6",
    "*.example.com": "10.9.9.9",
    "*.deep.example.com": "10.8.8.8",
    "www": "web.corp",
    "web.corp": "db.example.com",
    "out": "elsewhere.test",
    "me": "localhost",
    "ring1": "ring2",
    "ring2": "ring1",
    "self": "self",
    "broken": "not/a.name",
    "bücher.example": "10.3.3.3",
    **{f"link{n}": f"link{n + 1}" for n in range(40)},
    "link40": "10.4.4.4",
}
STATIC = {
    "host.lima.internal": "192.168.5.2",
    "lima-default.internal": "192.168.5.15",
    "db.example.com": "10.7.7.7",
}
RULES = Rules(HOSTS, True, STATIC)


@pytest.mark.parametrize(
    ("name", "qtype", "expected"),
    [
        ("db.example.com", "A", ["db.example.com. A 10.1.2.3"]),
        ("DB.eXample.COM", "A", ["DB.eXample.COM. A 10.1.2.3"]),
        ("db.example.com", "AAAA", []),
        ("db.example.com", "TXT", []),
        ("db.example.com", "MX", []),
        ("six.example.com", "AAAA", ["six.example.com. AAAA fd00::6"]),
        ("six.example.com", "A", []),
        ("any.example.com", "A", ["any.example.com. A 10.9.9.9"]),
        ("a.b.EXAMPLE.com", "A", ["a.b.EXAMPLE.com. A 10.9.9.9"]),
        ("x.deep.example.com", "A", ["x.deep.example.com. A 10.8.8.8"]),
        ("host.lima.internal", "A", ["host.lima.internal. A 192.168.5.2"]),
        ("lima-default.internal", "A", ["lima-default.internal. A 192.168.5.15"]),
        (
            "www",
            "A",
            ["www. CNAME web.corp.", "web.corp. CNAME db.example.com.", "db.example.com. A 10.1.2.3"],
        ),
        ("www", "AAAA", ["www. CNAME web.corp.", "web.corp. CNAME db.example.com."]),
        ("www", "CNAME", ["www. CNAME web.corp."]),
        ("db.example.com", "CNAME", []),
        ("xn--bcher-kva.example", "A", ["xn--bcher-kva.example. A 10.3.3.3"]),
        ("localhost", "A", ["localhost. A 127.0.0.1"]),
        ("app.localhost", "AAAA", ["app.localhost. AAAA ::1"]),
        ("me", "A", ["me. CNAME localhost.", "localhost. A 127.0.0.1"]),
        ("3.2.1.10.in-addr.arpa", "PTR", ["3.2.1.10.in-addr.arpa. PTR db.example.com."]),
        ("2.5.168.192.IN-ADDR.arpa", "PTR", ["2.5.168.192.IN-ADDR.arpa. PTR host.lima.internal."]),
    ],
)
def test_a_known_name_is_answered_without_asking_anybody(serve, name: str, qtype: str, expected) -> None:
    reply = serve(RULES).ask(name, qtype)
    assert (RCODE[reply.header.rcode], shown(reply)) == ("NOERROR", expected)


@pytest.mark.parametrize("name", ["ring1", "ring2", "self", "broken", "link0"])
@pytest.mark.parametrize("qtype", ["A", "TXT"])
def test_names_that_lead_nowhere_fail(serve, name: str, qtype: str) -> None:
    assert RCODE[serve(RULES).ask(name, qtype).header.rcode] == "SERVFAIL"


def test_a_name_is_found_for_its_ipv6_address(serve) -> None:
    reply = serve(RULES).ask(f"6.{'0.' * 27}0.0.d.f.ip6.arpa", "PTR")
    assert [str(rr.rdata) for rr in reply.rr] == ["six.example.com."]


def test_without_ipv6_no_name_has_such_an_address(serve) -> None:
    running = serve(Rules(HOSTS, False, STATIC))
    replies = [running.ask(name, "AAAA") for name in ("six.example.com", "www", "ring1", "no.such.invalid")]
    assert [(RCODE[reply.header.rcode], reply.rr) for reply in replies] == [("NOERROR", [])] * 4


def test_an_alias_of_a_name_elsewhere_comes_with_what_is_there(forwarding) -> None:
    running, server = forwarding(says('elsewhere.test. 60 TXT "there"'), RULES)
    reply = running.ask("out", "TXT")
    assert shown(reply) == ["out. CNAME elsewhere.test.", 'elsewhere.test. TXT "there"']
    assert str(reply.q.qname) == "out."
    assert server.lookup == ["elsewhere.test./TXT/udp"]


def test_an_asterisk_alone_stands_for_every_name(serve) -> None:
    running = serve(Rules({"*": "10.0.0.1", "b": "10.0.0.2"}))
    assert [shown(running.ask(name)) for name in ("a.b", "b")] == [["a.b. A 10.0.0.1"], ["b. A 10.0.0.2"]]
