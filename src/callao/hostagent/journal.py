# SPDX-License-Identifier: GPL-3.0-or-later
"""ha.stdout.log: what the host agent tells, one JSON object a line.

``time`` and ``status`` are Lima's (its host agent's events), ``callao`` is our event whole.
"""

from __future__ import annotations

import contextlib
import datetime
import sys
from typing import Any

import msgspec

from callao.events import Event, EventState, Stage


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. ``status`` has Lima's keys: running, degraded, exiting, errors, sshLocalPort."""

    time: str
    status: dict[str, Any] = {}
    callao: Event | None = None


def write(event: Event | None = None, **status: object) -> None:
    """Append one line to standard output, which is ha.stdout.log."""
    now = datetime.datetime.now(datetime.UTC).isoformat()
    line = msgspec.json.encode(Line(time=now, status=status, callao=event))
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()


def tell(event: Event | None = None, **status: object) -> None:
    """The same of what nobody's life depends on: on a full disk, it is written when there is space again."""
    with contextlib.suppress(OSError):  # Python keeps what it could not write, up to its buffer's size
        write(event, **status)


def notice(sentence: str, stage: Stage = Stage.DRIVER) -> None:
    """Tell people of what nobody's life depends on."""
    tell(Event(stage=stage, state=EventState.NOTICE, message=sentence))


def flush() -> None:
    """Write what a full disk has held up, if there is space now."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()


def read(line: bytes) -> Line | None:
    """One line's record; None for what isn't one (Lima's own lines have no ``callao``, and are one)."""
    try:
        return msgspec.json.decode(line, type=Line)
    except msgspec.MsgspecError:
        return None
