# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ends of a connection as streams, and how one is passed on to another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

AT_ONCE = 1 << 18
"""Bytes that are read at once."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

Scan = Callable[[bytes], None]
"""Raises where the connection is not to go on."""


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, scan: Scan | None = None) -> None:
    """Until the reader's end, which is passed on."""
    while data := await reader.read(AT_ONCE):
        if scan is not None:
            scan(data)
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
