# SPDX-License-Identifier: GPL-3.0-or-later
"""How many questions are put to others at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from callao.errors import CallaoError


class NoPlace(CallaoError):
    """Too many wait for others already. What is known here needs no place, and is answered all the same."""


class Places:
    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises NoPlace rather than wait: waiting is what there is too much of."""
        if not self._free:
            raise NoPlace("Too many questions of the guest wait for an answer.", hint="Ask again later.")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
