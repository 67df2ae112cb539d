# SPDX-License-Identifier: GPL-3.0-or-later
"""When to scan for listeners, and what has changed since the last scan."""

import sys

assert sys.platform == "linux"

from callao.guest.listeners.sockets import Listener

QUICK, SLOW, RARE = 0.25, 0.75, 5.0
"""Seconds between checks of the socket counts: QUICK after a change, because services start together, SLOW
otherwise. RARE: seconds between scans when no check found a reason."""

BATCH = 4000
"""Listeners in one message: far below the limit of a frame; real guests need one message."""

IDLE_SHARE, BUSY_SHARE, LONGEST = 0.005, 0.05, 5.0
"""Shares of one CPU that scans may take, without and just after a change; and how many seconds that may
delay a scan at most. Only an emulated guest, or one without netlink and with thousands of connections, comes
near them."""

SETTLE, REST = 0.002, 0.05
"""Seconds from an event to the scan (the event comes when the call begins, before the socket is listed), and
from one such scan to the next."""

CREDIT = 0.5
"""Seconds of CPU that such scans may take beyond ``BUSY_SHARE`` after an idle time: a few dozen
listeners that open one after another are each reported at once, and endless events are limited to the
share."""


class ScanSchedule:
    """When to check next, and when to scan. Times are monotonic seconds.

    :param by_events: whether the kernel sends events: then the socket counts are not checked.
    """

    def __init__(self, now: float, by_events: bool = False) -> None:
        self.interval = QUICK
        self.next = now
        self._soonest = self._latest = now
        self._by_events = by_events
        self._credit, self._counted, self._rested = CREDIT, now, now

    def due(self, now: float, suspicious: bool) -> bool:
        """Whether to scan now."""
        return now >= (self._soonest if suspicious else self._latest)

    def event(self, now: float) -> None:
        """The kernel has sent an event."""
        self._soonest = max(now + SETTLE, self._rested)
        self.next = self._soonest if self.next <= now else min(self.next, self._soonest)

    def scanned_for_event(self, now: float, cost: float) -> None:
        """A scan because of an event has ended. Another follows: there may be more events by now, and
        the call that sent the last one may have ended after the scan.
        """
        self._spend(now, cost)
        self._rested = max(now + REST, self._rested)
        self.next = self._soonest = self._latest = self._rested

    def _spend(self, now: float, cost: float) -> None:
        self._credit = min(self._credit + (now - self._counted) * BUSY_SHARE, CREDIT) - cost
        self._counted = now
        self._rested = now + min(max(0.0, -self._credit / BUSY_SHARE), LONGEST)

    def scanned(self, now: float, changed: bool, cost: float = 0.0) -> None:
        """A scan has ended, which took ``cost`` seconds of CPU."""
        self._soonest = now + min(cost / (BUSY_SHARE if changed else IDLE_SHARE), LONGEST)
        self._latest = max(now + RARE, self._soonest)
        self.interval = QUICK if changed else min(self.interval * 2, SLOW)
        self.next = self._latest if self._by_events else now + self.interval
        self._spend(now, cost)

    def unchanged(self, now: float) -> None:
        """A check found no reason to scan."""
        self.interval = min(self.interval * 2, SLOW)
        self.next = self._latest if self._by_events else now + self.interval

    def soon(self, now: float) -> None:
        """The host sent a message, and may soon ask for its effect."""
        self.interval = QUICK
        self.next = min(self.next, now + QUICK)
        self._latest = min(self._latest, self.next)

    def wait(self, now: float) -> float:
        return max(self.next - now, 0.0)


class ListenerDiff:
    """The listeners that were reported to the host, and the difference to those that there are now."""

    def __init__(self) -> None:
        self._known = set()  # type: set[Listener]
        self._began = False

    def forget(self) -> None:
        """Report everything again."""
        self._known = set()
        self._began = False

    def messages(self, found: "set[Listener]") -> "list[dict[str, object]]":
        """The messages that report the difference; the first time at least one, even if nothing listens."""
        added, removed = sorted(found - self._known), sorted(self._known - found)
        first = not self._began
        self._known, self._began = found, True
        return [
            {"type": "listeners", "added": added[at : at + BATCH], "removed": removed[at : at + BATCH]}
            for at in range(0, max(len(added), len(removed), int(first)), BATCH)
        ]
