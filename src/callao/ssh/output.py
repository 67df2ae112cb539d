# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the output of a command in the guest up to a limit, because a guest may write without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

OUTPUT_LIMIT = 1 << 20
"""Bytes of each output of a command that are kept: the last ones, where an error message is in most
cases."""

LINE_LIMIT = 1 << 16
"""Bytes of a line that are kept: the first ones."""

_CHUNK = 1 << 16


async def last_bytes(reader: asyncio.StreamReader, limit: int = OUTPUT_LIMIT) -> bytes:
    """Read to the end of the stream; returns the last ``limit`` bytes."""
    buffer = bytearray()
    while data := await reader.read(_CHUNK):
        buffer += data
        del buffer[: max(0, len(buffer) - limit)]
    return bytes(buffer)


async def lines(reader: asyncio.StreamReader, limit: int = LINE_LIMIT) -> AsyncIterator[str]:
    """Yield each line without its end. A carriage return ends a line, too, so that each state of a progress
    bar is a line. A longer line is cut to its first ``limit`` bytes.
    """
    buffer = bytearray()
    while data := await reader.read(_CHUNK):
        first, *others = data.replace(b"\r", b"\n").split(b"\n")
        buffer += first[: limit - len(buffer)]
        for each in others:
            yield buffer.decode(errors="replace")
            buffer = bytearray(each[:limit])
    if buffer:
        yield buffer.decode(errors="replace")
