# SPDX-License-Identifier: GPL-3.0-or-later
"""What was refused, for the user: bounded in memory, and in how fast it is written to a file."""

from __future__ import annotations

import contextlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from callao.printable import printable
from callao.token_bucket import TokenBucket

_MOST = 256
"""Different ones that are listed; beyond that the one that was seen longest ago is left out."""

_LONGEST_NAME = 253

_LOG_BURST, _LOG_RATE = 200.0, 10.0
"""Lines of the log at once, and per second."""


@dataclass(frozen=True)
class Attempt:
    """One thing that a guest has tried. ``port`` is 0 where there is none; ``name`` is what it asked for."""

    protocol: str
    reason: str
    address: str = ""
    port: int = 0
    name: str = ""


@dataclass
class _Seen:
    count: int
    first: float
    last: float


class Refusals:
    """Of one guest, since it was started."""

    def __init__(self, log: Path, clock: Callable[[], float] = time.time) -> None:
        """:param log: the file that has a line of JSON for each, where ``logging`` is set."""
        self.logging = False
        self.total = 0
        self._log = log
        self._clock = clock
        self._seen: OrderedDict[Attempt, _Seen] = OrderedDict()
        self._bucket = TokenBucket(_LOG_BURST, _LOG_RATE)

    def add(self, attempt: Attempt) -> None:
        """Note that it was refused."""
        now = self._clock()
        name = printable(attempt.name)[:_LONGEST_NAME].replace("\n", " ").replace("\t", " ")
        attempt = Attempt(attempt.protocol, attempt.reason, attempt.address, attempt.port, name)
        self.total += 1
        seen = self._seen.setdefault(attempt, _Seen(0, now, now))
        seen.count, seen.last = seen.count + 1, now
        self._seen.move_to_end(attempt)
        if len(self._seen) > _MOST:
            self._seen.popitem(last=False)
        if self.logging and self._bucket.try_take():
            self._write(attempt, now)

    def listed(self) -> list[dict[str, str | int]]:
        """The latest first."""
        return [
            {**asdict(each), "count": seen.count, "first": _text(seen.first), "last": _text(seen.last)}
            for each, seen in reversed(self._seen.items())
        ]

    def _write(self, attempt: Attempt, now: float) -> None:
        line: dict[str, object] = {"time": _text(now), **asdict(attempt)}
        if dropped := self._bucket.take_dropped():
            line["omitted"] = dropped
        with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
