# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit on the questions that wait for the host or its name servers at one time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from callao.errors import CallaoError


class LimitReached(CallaoError):
    """Too many questions wait already. A name that is known here is answered all the same."""


class QueryLimit:
    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextmanager
    def held(self) -> Iterator[None]:
        """Count one question. Raises LimitReached at once: one that waited would use what is limited."""
        if not self._free:
            raise LimitReached(
                "Too many questions of the guest wait for an answer.", hint="Ask again later."
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
