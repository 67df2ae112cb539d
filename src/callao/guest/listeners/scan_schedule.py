# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides when to scan for listeners, and computes what has changed since the last report."""

import sys

assert sys.platform == "linux"

import math

from callao.guest.listeners.sockets import Listener

FAST_INTERVAL, SLOW_INTERVAL, MAX_SCAN_INTERVAL = 0.25, 0.75, 5.0
"""Seconds between checks of the socket counts: FAST_INTERVAL after a change, because services start
together, SLOW_INTERVAL otherwise. MAX_SCAN_INTERVAL: seconds between scans when no check found a reason."""

HEARD_SCAN_INTERVAL = 30.0
"""The same where the kernel tells of all that a scan can find."""

LISTENERS_PER_MESSAGE = 4000
"""Keeps a message far below the limit of a frame; the listeners of real guests fit in one message."""

IDLE_SHARE, BUSY_SHARE, MAX_SCAN_DELAY = 0.005, 0.05, 5.0
"""Shares of one CPU that scans may use, without and just after a change, and the largest delay of a scan in
seconds that follows from them. Only an emulated guest, or one without netlink and with thousands of
connections, comes near these limits."""

EVENT_SCAN_DELAY, EVENT_SCAN_PAUSE = 0.002, 0.05
"""Seconds from an event to its scan (the event is sent before the kernel lists the socket), and from one
such scan to the next."""

CPU_CREDIT = 0.5
"""Seconds of CPU that scans for events may use beyond ``BUSY_SHARE`` after an idle time. So a few dozen
listeners that open one after another are each reported at once, and endless events are limited to the
share."""


def longest_interval(generation: "int | None", has_cluster: bool, read_delay: float = math.inf) -> float:
    """Seconds between scans that nothing gives a reason for.

    :param generation: the number of the packet filter's changes; None where the kernel does not count them.
    :param has_cluster: whether there is a cluster of Kubernetes, whose services it does not tell of.
    :param read_delay: seconds until changed rules of the packet filter can be read that were not read yet.
    """
    longest = MAX_SCAN_INTERVAL if generation is None or has_cluster else HEARD_SCAN_INTERVAL
    return min(longest, read_delay)


class ScanSchedule:
    """Computes the times of the next check and of the next scan, in monotonic seconds.

    :param by_events: whether the kernel sends events; the socket counts are not checked then.
    """

    def __init__(self, now: float, by_events: bool = False) -> None:
        self.interval = FAST_INTERVAL
        self.next = now
        self._earliest = self._latest = now
        self._by_events = by_events
        self._cpu_credit, self._credit_updated, self._next_event_scan = CPU_CREDIT, now, now

    def is_due(self, now: float, has_reason: bool) -> bool:
        """Whether to scan now.

        With a reason, too, the latest time counts: :meth:`expedite` sets it before the earliest one. The
        loop would run without a pause between the two otherwise.
        """
        return now >= (min(self._earliest, self._latest) if has_reason else self._latest)

    def event_received(self, now: float) -> None:
        """The kernel has sent an event."""
        self._earliest = max(now + EVENT_SCAN_DELAY, self._next_event_scan)
        self.next = self._earliest if self.next <= now else min(self.next, self._earliest)

    def scanned_for_event(self, now: float, cost: float) -> None:
        """Note the end of a scan that an event caused. Another scan follows: there may be more events by
        now, and the system call that sent the last one may have ended after the scan.
        """
        self._spend_cpu(now, cost)
        self._next_event_scan = max(now + EVENT_SCAN_PAUSE, self._next_event_scan)
        self.next = self._earliest = self._latest = self._next_event_scan

    def _spend_cpu(self, now: float, cost: float) -> None:
        self._cpu_credit = (
            min(self._cpu_credit + (now - self._credit_updated) * BUSY_SHARE, CPU_CREDIT) - cost
        )
        self._credit_updated = now
        self._next_event_scan = now + min(max(0.0, -self._cpu_credit / BUSY_SHARE), MAX_SCAN_DELAY)

    def scanned(
        self, now: float, changed: bool, cost: float = 0.0, longest: float = MAX_SCAN_INTERVAL
    ) -> None:
        """Note the end of a scan, which took ``cost`` seconds of CPU.

        :param longest: seconds to the next scan if nothing gives a reason.
        """
        self._earliest = now + min(cost / (BUSY_SHARE if changed else IDLE_SHARE), MAX_SCAN_DELAY)
        self._latest = max(now + longest, self._earliest)
        self.interval = FAST_INTERVAL if changed else min(self.interval * 2, SLOW_INTERVAL)
        self.next = self._latest if self._by_events else now + self.interval
        self._spend_cpu(now, cost)

    def unchanged(self, now: float) -> None:
        """Note that a check found no reason to scan."""
        self.interval = min(self.interval * 2, SLOW_INTERVAL)
        self.next = self._latest if self._by_events else now + self.interval

    def expedite(self, now: float) -> None:
        """Scan soon: the host sent a message, and its effect may be a listener."""
        self.interval = FAST_INTERVAL
        self.next = min(self.next, now + FAST_INTERVAL)
        self._latest = min(self._latest, self.next)

    def wait(self, now: float) -> float:
        return max(self.next - now, 0.0)


class ListenerDiff:
    """The listeners that were reported to the host, and the messages that report changes."""

    def __init__(self) -> None:
        self._reported = set()  # type: set[Listener]
        self._has_reported = False

    def reset(self) -> None:
        """Have the next messages report all listeners again."""
        self._reported = set()
        self._has_reported = False

    def messages(self, current: "set[Listener]") -> "list[dict[str, object]]":
        """The messages that report the difference; the first time at least one, even without listeners."""
        added, removed = sorted(current - self._reported), sorted(self._reported - current)
        is_first = not self._has_reported
        self._reported, self._has_reported = current, True
        return [
            {
                "type": "listeners",
                "added": added[start : start + LISTENERS_PER_MESSAGE],
                "removed": removed[start : start + LISTENERS_PER_MESSAGE],
            }
            for start in range(0, max(len(added), len(removed), int(is_first)), LISTENERS_PER_MESSAGE)
        ]
