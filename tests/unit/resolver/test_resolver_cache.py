# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from dnslib import NS, RD, SOA, DNSLabel

from callao.resolver.cache import Cache, lifetime
from callao.resolver.message import Answer, Lookup, Question, Record

NXDOMAIN, SERVFAIL = 3, 2


def text(ttl: int) -> Record:
    return Record(DNSLabel("x.test"), 16, ttl, RD(b"\x01t"))


def soa(ttl: int, minimum: int) -> Record:
    return Record(DNSLabel("test"), 6, ttl, SOA("ns.test", "me.test", (1, 2, 3, 4, minimum)))


def lookup(name: str) -> Lookup:
    return Lookup(Question(DNSLabel(name), 16))


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Answer(answers=(text(60), text(30))), 30),
        (Answer(answers=(text(60),), additional=(text(20),)), 20),
        (Answer(answers=(text(100_000),)), 3600),
        (Answer(answers=(text(0),)), 0),
        (Answer(answers=(text(1 << 31),)), 0),
        (Answer(NXDOMAIN, authority=(soa(60, 40),)), 40),
        (Answer(NXDOMAIN, authority=(soa(30, 40),)), 30),
        (Answer(NXDOMAIN, authority=(soa(9000, 9000),)), 300),
        (Answer(authority=(soa(60, 40),)), 40),
        (Answer(authority=(Record(DNSLabel("test"), 2, 60, NS("ns.test")),)), 0),
        (Answer(NXDOMAIN), 0),
        (Answer(), 0),
        (Answer(SERVFAIL, answers=(text(60),)), 0),
    ],
)
def test_an_answer_lives_as_long_as_it_says(answer: Answer, seconds: int) -> None:
    assert lifetime(answer) == seconds


def test_time_runs_off_the_ttl_till_the_answer_is_gone() -> None:
    now = [100.0]
    cache = Cache(clock=lambda: now[0])
    cache.put(lookup("x.test"), Answer(answers=(text(60),), additional=(text(90),)))
    now[0] += 59.9
    kept = cache.get(lookup("X.TEST"))
    assert kept is not None
    assert [record.ttl for record in kept.records] == [1, 31]
    now[0] += 0.1
    assert (cache.get(lookup("x.test")), len(cache)) == (None, 0)


def test_the_answer_asked_for_least_lately_makes_room() -> None:
    cache = Cache(size=2, clock=lambda: 0)
    for name in ("a", "b"):
        cache.put(lookup(name), Answer(answers=(text(60),)))
    cache.get(lookup("a"))
    cache.put(lookup("c"), Answer(answers=(text(60),)))
    assert [cache.get(lookup(name)) is not None for name in "abc"] == [True, False, True]


def test_an_answer_of_very_many_records_is_not_kept() -> None:
    cache = Cache()
    cache.put(lookup("x"), Answer(answers=(text(60),) * 65))
    assert len(cache) == 0


def test_the_same_question_with_other_bits_is_another() -> None:
    cache = Cache()
    cache.put(lookup("x"), Answer(answers=(text(60),)))
    assert cache.get(Lookup(Question(DNSLabel("x"), 16), dnssec=True)) is None
