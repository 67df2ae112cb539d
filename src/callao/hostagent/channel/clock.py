# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the guest's clock equal to the host's: it stops while the host is suspended or the machine is
saved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

Message = Mapping[str, Any]

_TOLERANCE = 1_000_000_000
"""Nanoseconds by which the clocks may differ."""


class GuestClock:
    """Makes the messages ``time`` and ``ping``, and checks the answers. The guest is sent the time first,
    and pings later; the clock is checked again after an answer that took long.
    """

    def __init__(self) -> None:
        self.synchronized = asyncio.Event()
        """Set once the clock was found equal, or the guest cannot set it."""
        self._sent_at = 0

    def time_message(self) -> Message:
        """The message that sets the guest's clock; to be sent at once."""
        self._sent_at = time.time_ns()
        return {"type": "time", "now": self._sent_at}

    def ping_message(self, number: int) -> Message:
        """The message that asks for the guest's time; to be sent at once."""
        self._sent_at = time.time_ns()
        return {"type": "ping", "id": number}

    def reply_to(self, message: Message) -> Message | None:
        """The message to send in reply to a ``pong`` or a ``timed``, if any."""
        now, guest_time = time.time_ns(), message.get("time")
        if message.get("type") == "timed":
            if message.get("stepped") is True and now - self._sent_at > _TOLERANCE:
                return self.ping_message(0)
        elif type(guest_time) is int and not self._sent_at - _TOLERANCE <= guest_time <= now + _TOLERANCE:
            return self.time_message()
        self.synchronized.set()
        return None
