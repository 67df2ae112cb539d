# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock after the host slept or the machine was restored: NTP would take minutes, or refuse."""

import sys

assert sys.platform == "linux"

import time
from collections.abc import Callable

TOLERANCE = 1.0
"""Seconds. What is less is left to NTP; the message itself has taken some of it."""


def step(seconds: float) -> None:
    """Needs CAP_SYS_TIME. Not in nanoseconds: that function is new in Python 3.7."""
    time.clock_settime(time.CLOCK_REALTIME, seconds)


def follow(
    now: object, read: "Callable[[], float]" = time.time, step: "Callable[[float], None]" = step
) -> "dict[str, object]":
    """Set the clock to the host's, in ns since 1970, if it is off. The answer to ``time``."""
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
