# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes ha.stdout.log, the host agent's events: one JSON object on each line.

``time`` and ``status`` are those of Lima's host agent, ``callao`` is Callao's event.
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


def try_write(event: Event | None = None, **status: object) -> None:
    """Append a line that is not essential: if the disk is full, it is written when there is space again."""
    with contextlib.suppress(OSError):  # Python keeps the bytes in its buffer
        write(event, **status)


def notice(sentence: str, stage: Stage = Stage.DRIVER) -> None:
    """Write a notice for the user, which is not essential."""
    try_write(Event(stage=stage, state=EventState.NOTICE, message=sentence))


def flush() -> None:
    """Write the lines that could not be written to a full disk, if there is space now."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()


def read(line: bytes) -> Line | None:
    """Decode a line; None if it is invalid. Lines of Lima's host agent are valid, without ``callao``."""
    try:
        return msgspec.json.decode(line, type=Line)
    except msgspec.MsgspecError:
        return None
