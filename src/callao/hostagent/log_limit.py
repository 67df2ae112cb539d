# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits the size of the instance's logs, which a guest can make grow without end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

LIMIT = 8 << 20
"""Bytes of a log. It may be exceeded between two checks: a serial port writes less than 1 MiB a second."""

KEPT_SIZE = 1 << 20
"""Bytes at a log's end that are kept as NAME.1 when it is truncated."""

_CHECK_INTERVAL = 15.0
"""Seconds between two checks."""


async def limit_logs(folder: Path, *, limit: int = LIMIT, interval: float = _CHECK_INTERVAL) -> None:
    """Limit all logs in a folder until cancelled. Programs must write to them in append mode: otherwise they
    go on at their old offset after a truncation, and leave a hole.
    """
    while True:
        for log in folder.glob("*.log"):
            with contextlib.suppress(OSError):  # the disk is full, or the file was removed
                if log.stat().st_size > limit:
                    truncate_log(log)
        await asyncio.sleep(interval)


def truncate_log(log: Path) -> None:
    """Copy the end of the log to ``NAME.1``, and truncate it."""
    with log.open("rb") as file:
        file.seek(-min(KEPT_SIZE, os.fstat(file.fileno()).st_size), os.SEEK_END)
        end = file.read(KEPT_SIZE)
    log.with_name(f"{log.name}.1").write_bytes(end)
    os.truncate(log, 0)
