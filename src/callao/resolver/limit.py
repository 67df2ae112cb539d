# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits the questions that wait for the host or its name servers at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from callao.errors import CallaoError


class LimitReached(CallaoError):
    """Too many questions are waiting. Configured names are still answered."""


class QueryLimit:
    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextmanager
    def held(self) -> Iterator[None]:
        """Count one question. Raises LimitReached immediately: a waiting question would use memory, too."""
        if not self._free:
            raise LimitReached(
                "too many DNS questions of the guest wait for an answer.", hint="Ask again later."
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
