# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings on stderr, one line each; the same one at most once a minute."""

import sys
import time

PERIOD = 60.0
"""Seconds before the same warning is printed again."""

_told = {}  # type: dict[str, float]


def warn(message: str, now: "float | None" = None) -> None:
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
    except (OSError, ValueError):  # stderr is closed
        pass
