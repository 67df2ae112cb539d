# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's clock, held to the host's: it stands still while the host sleeps, or the machine is saved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

Message = Mapping[str, Any]

_SLACK = 1_000_000_000
"""Nanoseconds by which it may differ."""


class GuestClock:
    """Told the time first, asked by pings later; what was long on its way is asked after."""

    def __init__(self) -> None:
        self.right = asyncio.Event()
        """Set when it was found right, or the guest cannot set it."""
        self._said = 0

    def tell(self) -> Message:
        """To be sent now; what sets it where it is off."""
        self._said = time.time_ns()
        return {"type": "time", "now": self._said}

    def ping(self, number: int) -> Message:
        """To be sent now."""
        self._said = time.time_ns()
        return {"type": "ping", "id": number}

    def heard(self, message: Message) -> Message | None:
        """What to say to a ``pong`` or a ``timed``, if anything."""
        now, theirs = time.time_ns(), message.get("time")
        if message.get("type") == "timed":
            if message.get("stepped") is True and now - self._said > _SLACK:
                return self.ping(0)
        elif type(theirs) is int and not self._said - _SLACK <= theirs <= now + _SLACK:
            return self.tell()
        self.right.set()
        return None
