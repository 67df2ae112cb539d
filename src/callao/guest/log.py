# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings on stderr, one line each; the same one at most once a minute."""

import sys
import time

REPEAT_PERIOD = 60.0
"""Seconds before the same warning is printed again."""

_last_printed = {}  # type: dict[str, float]


def warn(message: str, now: "float | None" = None) -> None:
    now = time.monotonic() if now is None else now
    line = " ".join(message.split())
    if now - _last_printed.get(line, now - REPEAT_PERIOD) < REPEAT_PERIOD:
        return
    if len(_last_printed) > 100:
        _last_printed.clear()
    _last_printed[line] = now
    try:
        sys.stderr.write(f"lima-guestagent: {line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # stderr is closed
        pass
