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
    """Asked by pings. What sets it is late by the time that it takes to arrive, so it is asked again."""

    def __init__(self) -> None:
        self.right = asyncio.Event()
        """Set when it was found right, or the guest cannot set it."""
        self._asked = 0

    def ping(self, number: int) -> Message:
        """To be sent now."""
        self._asked = time.time_ns()
        return {"type": "ping", "id": number}

    def heard(self, message: Message) -> Message | None:
        """What to say to a ``pong`` or a ``timed``, if anything."""
        if message.get("type") == "timed" and message.get("stepped") is True:
            return self.ping(0)
        theirs = message.get("time")
        if message.get("type") == "pong" and type(theirs) is int:
            now = time.time_ns()
            if not self._asked - _SLACK <= theirs <= now + _SLACK:
                return {"type": "time", "now": now}
        self.right.set()
        return None
