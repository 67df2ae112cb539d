# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the output of a command in the guest, up to a limit: a guest may write
for as long as it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

OUTPUT_LIMIT = 1 << 20
"""Bytes of each output of a command that are kept: the last ones, where an error says what it is."""

LINE_LIMIT = 1 << 16
"""Bytes of a line that are kept: the first ones."""

_CHUNK = 1 << 16


async def last_bytes(reader: asyncio.StreamReader, limit: int = OUTPUT_LIMIT) -> bytes:
    """Reads to the end of the stream; returns the last ``limit`` bytes."""
    kept = bytearray()
    while data := await reader.read(_CHUNK):
        kept += data
        del kept[: max(0, len(kept) - limit)]
    return bytes(kept)


async def lines(reader: asyncio.StreamReader, limit: int = LINE_LIMIT) -> AsyncIterator[str]:
    """Each line without its end. A carriage return ends one, too: a progress bar is a line each time that it
    is drawn. Of a longer line, the first ``limit`` bytes come, at its end."""
    kept = bytearray()
    while data := await reader.read(_CHUNK):
        first, *others = data.replace(b"\r", b"\n").split(b"\n")
        kept += first[: limit - len(kept)]
        for each in others:
            yield kept.decode(errors="replace")
            kept = bytearray(each[:limit])
    if kept:
        yield kept.decode(errors="replace")
