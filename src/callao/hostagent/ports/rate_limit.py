# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of what a guest brings about is written to the journal."""

from __future__ import annotations

import time
from collections.abc import Callable


class Ration:
    """So many at once, so many a second after."""

    def __init__(
        self, at_once: int, each_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = at_once
        self._rate = each_second
        self._clock = clock
        self._left = float(at_once)
        self._then = clock()
        self._missed = 0

    def take(self) -> bool:
        """Whether there is one left, which is then taken."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left < 1:
            self._missed += 1
            return False
        self._left -= 1
        return True

    def missed(self) -> int:
        """How many were not had since this was asked last."""
        missed, self._missed = self._missed, 0
        return missed
