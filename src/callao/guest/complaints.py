# SPDX-License-Identifier: GPL-3.0-or-later
"""One line on stderr for each problem, and not the same one every second."""

import sys
import time

PERIOD = 60.0
"""Seconds for which a problem is not told again."""

_told = {}  # type: dict[str, float]


def complain(message: str, now: "float | None" = None) -> None:
    now = time.monotonic() if now is None else now
    line = " ".join(message.split())
    if now - _told.get(line, now - PERIOD) < PERIOD:
        return
    if len(_told) > 100:
        _told.clear()
    _told[line] = now
    try:
        sys.stderr.write(f"lima-guestagent: {line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # nobody listens
        pass
