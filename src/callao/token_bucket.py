# SPDX-License-Identifier: GPL-3.0-or-later
"""A token bucket, which limits how often something that a guest causes is done."""

from __future__ import annotations

import time
from collections.abc import Callable


class TokenBucket:
    """Allows ``capacity`` events at once, and ``rate`` events per second after that."""

    def __init__(self, capacity: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._rate = rate
        self._clock = clock
        self._tokens = capacity
        self._updated = clock()
        self._dropped = 0

    def try_take(self) -> bool:
        """Take a token; returns False if there is none."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < 1:
            self._dropped += 1
            return False
        self._tokens -= 1
        return True

    def take_dropped(self) -> int:
        """The number of tokens that were refused since the last call."""
        take_dropped, self._dropped = self._dropped, 0
        return take_dropped
