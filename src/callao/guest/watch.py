# SPDX-License-Identifier: GPL-3.0-or-later
"""How often to look, and what of it is news."""

from callao.guest.listeners import Listener

QUICK, SLOW, RARE = 0.25, 0.75, 5.0
"""Seconds between glances: one start brings others, so a change is followed closely, and all is quiet most
of the time. And between looks when no glance found a reason."""

BATCH = 4000
"""Listeners in one message: far below the limit of a frame, and one is enough for all but tests."""

IDLE_SHARE, BUSY_SHARE, LONGEST = 0.005, 0.05, 5.0
"""Of one CPU, with nothing new and just after a change; what that may at most delay a look, in seconds.
Only an emulated guest, or one without netlink and with thousands of connections, comes near them."""


SETTLE, REST = 0.002, 0.05
"""Seconds from the kernel's word to the look (it comes as the call begins, before its socket is seen), and
from one such look to the next."""

CREDIT = 0.5
"""Seconds of CPU that such looks may take beyond ``BUSY_SHARE`` after a quiet time: a few dozen listeners
that come one after another are each heard at once, and what stirs without end has its share."""


class Pace:
    """When to glance next, and when to look. Times are monotonic seconds.

    :param hears: whether the kernel tells of listeners: then there are no glances.
    """

    def __init__(self, now: float, hears: bool = False) -> None:
        self.interval = QUICK
        self.next = now
        self._soonest = self._latest = now
        self._hears = hears
        self._credit, self._counted, self._rested = CREDIT, now, now

    def due(self, now: float, suspicious: bool) -> bool:
        """Whether to look now."""
        return now >= (self._soonest if suspicious else self._latest)

    def stirred(self, now: float) -> None:
        """The kernel has told of something."""
        self._soonest = max(now + SETTLE, self._rested)
        self.next = self._soonest if self.next <= now else min(self.next, self._soonest)

    def followed(self, now: float, cost: float) -> None:
        """A look for what the kernel told has ended. Another follows: more may have come meanwhile, and what
        was told of as it began may have ended after the look.
        """
        self._spend(now, cost)
        self._rested = max(now + REST, self._rested)
        self.next = self._soonest = self._latest = self._rested

    def _spend(self, now: float, cost: float) -> None:
        self._credit = min(self._credit + (now - self._counted) * BUSY_SHARE, CREDIT) - cost
        self._counted = now
        self._rested = now + min(max(0.0, -self._credit / BUSY_SHARE), LONGEST)

    def looked(self, now: float, changed: bool, cost: float = 0.0) -> None:
        """A look has ended, which took ``cost`` seconds of CPU."""
        self._soonest = now + min(cost / (BUSY_SHARE if changed else IDLE_SHARE), LONGEST)
        self._latest = max(now + RARE, self._soonest)
        self.interval = QUICK if changed else min(self.interval * 2, SLOW)
        self.next = self._latest if self._hears else now + self.interval
        self._spend(now, cost)

    def glanced(self, now: float) -> None:
        """There was no reason to look."""
        self.interval = min(self.interval * 2, SLOW)
        self.next = self._latest if self._hears else now + self.interval

    def hurry(self, now: float) -> None:
        """The host asked for something, and may be about to ask what came of it."""
        self.interval = QUICK
        self.next = min(self.next, now + QUICK)
        self._latest = min(self._latest, self.next)

    def wait(self, now: float) -> float:
        return max(self.next - now, 0.0)


class News:
    """What the host has been told, and what is new to it."""

    def __init__(self) -> None:
        self._known = set()  # type: set[Listener]
        self._began = False

    def forget(self) -> None:
        """The host knows nothing any more."""
        self._known = set()
        self._began = False

    def messages(self, found: "set[Listener]") -> "list[dict[str, object]]":
        """The messages that bring the host up to date; the first time one at least, to say so."""
        added, removed = sorted(found - self._known), sorted(self._known - found)
        first = not self._began
        self._known, self._began = found, True
        return [
            {"type": "listeners", "added": added[at : at + BATCH], "removed": removed[at : at + BATCH]}
            for at in range(0, max(len(added), len(removed), int(first)), BATCH)
        ]
