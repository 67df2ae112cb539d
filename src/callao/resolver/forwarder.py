# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwards questions to the host's name servers, one after the other, in two rounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from callao.resolver import message as dns
from callao.resolver.cache import Cache
from callao.resolver.exchange import exchange
from callao.resolver.inflight import InFlight
from callao.resolver.message import Answer, Lookup
from callao.resolver.nameservers import NameServers, Server

ROUNDS = 2


@dataclass(frozen=True)
class Timeouts:
    """Seconds for one server to answer, and for all of them together; clients time out after five."""

    server: float = 1.5
    total: float = 4.5


class Forwarder:
    def __init__(self, servers: NameServers, timeouts: Timeouts, cache: Cache) -> None:
        self._servers = servers
        self._timeouts = timeouts
        self._cache = cache
        self._reads = 0
        self._under_way: InFlight[tuple[int, Lookup], Answer] = InFlight()

    async def answer(self, lookup: Lookup) -> Answer:
        servers = self._servers.now()
        reads = self._servers.reads
        if reads != self._reads:
            self._cache.clear()
            self._reads = reads
        known = self._cache.get(lookup)
        if known:
            return known
        return await self._under_way.share((reads, lookup), lambda: self._fetch(servers, reads, lookup))

    async def close(self) -> None:
        await self._under_way.close()

    async def _fetch(self, servers: tuple[Server, ...], reads: int, lookup: Lookup) -> Answer:
        try:
            async with asyncio.timeout(self._timeouts.total):
                answer = await self._ask_all(servers, lookup)
        except TimeoutError:
            return Answer(dns.SERVFAIL)
        if reads == self._reads:  # another server may have another answer
            self._cache.put(lookup, answer)
        return answer

    async def _ask_all(self, servers: tuple[Server, ...], lookup: Lookup) -> Answer:
        """The first server's answer, or the last server's error."""
        silent = list(servers)
        failure = Answer(dns.SERVFAIL)
        for _ in range(ROUNDS):
            for server in tuple(silent):
                answer = await self._ask(server, lookup)
                if answer is None:
                    continue
                if answer.rcode in (dns.NOERROR, dns.NXDOMAIN, dns.YXDOMAIN):
                    return answer
                failure = Answer(answer.rcode)
                silent.remove(server)
        return failure

    async def _ask(self, server: Server, lookup: Lookup) -> Answer | None:
        try:
            async with asyncio.timeout(self._timeouts.server):
                return await exchange(server, lookup)
        except OSError:  # TimeoutError is one, too
            return None
