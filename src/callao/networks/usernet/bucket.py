# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit for the rate of one guest's frames that others have to hear, or that the daemon answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class TokenBucket:
    """``rate`` a second in the long run, ``burst`` at once."""

    rate: float
    burst: float
    clock: Callable[[], float]
    _level: float = field(init=False)
    _filled: float = field(init=False)

    def __post_init__(self) -> None:
        self._level, self._filled = self.burst, self.clock()

    def take(self) -> bool:
        """Whether there is one left."""
        now = self.clock()
        self._level = min(self.burst, self._level + (now - self._filled) * self.rate)
        self._filled = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
