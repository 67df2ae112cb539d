# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers a client's query: from request bytes to response bytes."""

from __future__ import annotations

import logging
from typing import Protocol

from callao.resolver import message as dns
from callao.resolver.decoding import read_query
from callao.resolver.encoding import write_answer
from callao.resolver.limit import LimitReached
from callao.resolver.message import Answer, Lookup, Query

_log = logging.getLogger(__name__)


class Answers(Protocol):
    """What answers a question: an ``Answerer``, or what stands before one."""

    async def answer(self, lookup: Lookup) -> Answer:
        """Raises LimitReached when too many questions wait."""


class Responder:
    def __init__(self, answerer: Answers) -> None:
        self._answerer = answerer

    async def respond(self, data: bytes, *, tcp: bool) -> bytes | None:
        """The response; None when the query gets none.

        While too many queries wait, queries over UDP are dropped, because clients repeat them.
        """
        query = read_query(data)
        if query is None:
            return None
        try:
            answer = await self._answer(query)
        except LimitReached:
            if not tcp:
                return None
            answer = Answer(dns.SERVFAIL)
        return write_answer(query, answer, dns.MAX_TCP if tcp else query.size)

    async def _answer(self, query: Query) -> Answer:
        if query.rcode or query.lookup is None:
            return Answer(query.rcode)
        try:
            return await self._answerer.answer(query.lookup)
        except LimitReached:
            raise
        except Exception:  # an error must not stop the server, nor leave the client waiting
            _log.exception("no answer for %s", query.lookup.question)
            return Answer(dns.SERVFAIL)
