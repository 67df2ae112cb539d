# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets the clock after the host was suspended or the machine was restored: NTP would take minutes, or refuse
so large an offset."""

import sys

assert sys.platform == "linux"

import time
from collections.abc import Callable

TOLERANCE = 1.0
"""Seconds. A smaller offset is left to NTP; part of it is the time that the message took."""


def step(seconds: float) -> None:
    """Set the clock; needs CAP_SYS_TIME. clock_settime_ns would be exact, but exists only since Python
    3.7.
    """
    time.clock_settime(time.CLOCK_REALTIME, seconds)


def synchronize(
    now: object, read: "Callable[[], float]" = time.time, step: "Callable[[float], None]" = step
) -> "dict[str, object]":
    """Set the clock to ``now``, the host's in ns since 1970, if they differ by more than TOLERANCE. Returns
    the answer to the message ``time``.
    """
    if type(now) is not int or now <= 0:
        return {
            "type": "timed",
            "offset": 0.0,
            "stepped": False,
            "error": "time needs now, in ns since 1970",
        }
    seconds = now / 1e9
    offset = seconds - read()
    answer = {"type": "timed", "offset": round(offset, 6), "stepped": False}  # type: dict[str, object]
    if abs(offset) <= TOLERANCE:
        return answer
    try:
        step(seconds)
    except (OSError, OverflowError) as error:
        return {**answer, "error": str(error)}
    return {**answer, "stepped": True}
