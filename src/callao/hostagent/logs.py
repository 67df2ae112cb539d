# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance's logs, which grow as the guest likes: each is kept within a limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

LIMIT = 8 << 20
"""Bytes of a log. What comes within one look adds to it: a serial port gives less than 1 MiB a second."""

KEPT = 1 << 20
"""Bytes of the log's end that are kept beside it, as NAME.1, when it begins anew."""

_LOOK = 15.0
"""Seconds between two looks."""


async def keep_bounded(folder: Path, *, limit: int = LIMIT, look: float = _LOOK) -> None:
    """All logs in there, until cancelled. Who writes to one must append, or would go on behind a hole."""
    while True:
        for log in folder.glob("*.log"):
            with contextlib.suppress(OSError):  # the disk is full, or somebody else has removed it
                if log.stat().st_size > limit:
                    begin_anew(log)
        await asyncio.sleep(look)


def begin_anew(log: Path) -> None:
    """Keep the end of the log as ``NAME.1``, and empty it."""
    with log.open("rb") as file:
        file.seek(-min(KEPT, os.fstat(file.fileno()).st_size), os.SEEK_END)
        end = file.read(KEPT)
    log.with_name(f"{log.name}.1").write_bytes(end)
    os.truncate(log, 0)
