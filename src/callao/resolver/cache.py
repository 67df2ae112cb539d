# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches answers of name servers until their TTLs expire."""

from __future__ import annotations

import dataclasses
import time
from collections import OrderedDict
from collections.abc import Callable

from callao.resolver import message as dns
from callao.resolver.message import Answer, Lookup, Record

MAX_TTL = 3600
MAX_NEGATIVE_TTL = 300
MAX_RECORDS = 64


class Cache:
    """Holds ``size`` answers; evicts the least recently used."""

    def __init__(self, size: int = 512, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[Lookup, tuple[float, float, Answer]] = OrderedDict()

    def put(self, lookup: Lookup, answer: Answer) -> None:
        seconds = lifetime(answer)
        if not seconds or len(answer.records) > MAX_RECORDS:
            return
        now = self._clock()
        self._entries[lookup] = (now, now + seconds, answer)
        self._entries.move_to_end(lookup)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def get(self, lookup: Lookup) -> Answer | None:
        """The cached answer with the remaining TTLs (RFC 1035 section 3.2.1)."""
        stored, expires, answer = self._entries.get(lookup, (0.0, 0.0, None))
        if answer is None:
            return None
        now = self._clock()
        if now >= expires:
            del self._entries[lookup]
            return None
        self._entries.move_to_end(lookup)
        return _aged(answer, int(now - stored))

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def lifetime(answer: Answer) -> int:
    """Seconds to cache an answer; negative answers by their SOA (RFC 2308 section 5), errors never."""
    if answer.rcode not in (dns.NOERROR, dns.NXDOMAIN) or answer.truncated:
        return 0
    shortest = min((_ttl(record) for record in answer.records), default=0)
    if answer.answers and answer.rcode == dns.NOERROR:
        return min(shortest, MAX_TTL)
    minimum = min((r.data.times[4] for r in answer.authority if r.rtype == dns.SOA), default=0)
    return min(shortest, minimum, MAX_NEGATIVE_TTL)


def _ttl(record: Record) -> int:
    """A TTL with the highest bit set is none (RFC 2181 section 8)."""
    return record.ttl if record.ttl < 1 << 31 else 0


def _aged(answer: Answer, seconds: int) -> Answer:
    def aged(records: tuple[Record, ...]) -> tuple[Record, ...]:
        return tuple(dataclasses.replace(record, ttl=record.ttl - seconds) for record in records)

    return dataclasses.replace(
        answer,
        answers=aged(answer.answers),
        authority=aged(answer.authority),
        additional=aged(answer.additional),
    )
