# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel to the program in the guest: messages in, messages out, for as long as the machine runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callao.guest.frames import PROTOCOL, Decoder, FrameError, encode

Message = Mapping[str, Any]
Handler = Callable[[Message], Awaitable[None]]

_PAUSE = 1.0
"""Seconds before the channel is opened again."""

_HEARTBEAT = 30.0
"""Seconds between pings: what tells that the guest's clock is off, after the host has slept."""

_CLOCK_SLACK = 1.0
"""Seconds by which the guest's clock may differ."""


@dataclass
class GuestLink:
    """One per machine. The guest's end may come and go: each time it says hello first."""

    socket: Path
    handlers: Mapping[str, Handler]
    """By the message's type."""
    connected: bool = False
    """Whether the guest has said hello since the channel was opened."""
    writer: asyncio.StreamWriter | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Begin; returns at once."""
        self.tasks = [asyncio.ensure_future(self._read()), asyncio.ensure_future(self._beat())]

    async def close(self) -> None:
        """Stop both; the guest's end notices."""
        for task in self.tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def send(self, message: Message) -> None:
        """Nothing happens while nobody is there: the guest's hello makes us say all again."""
        if self.writer is not None and self.connected:
            with contextlib.suppress(OSError):
                self.writer.write(encode(dict(message)))
                await self.writer.drain()

    async def _read(self) -> None:
        while True:
            with contextlib.suppress(OSError, FrameError, EOFError):
                await self._converse()
            self.connected, self.writer = False, None
            await asyncio.sleep(_PAUSE)

    async def _converse(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        self.writer = writer
        decoder = Decoder()
        try:
            writer.write(encode({"type": "hello", "protocol": PROTOCOL}))
            while data := await reader.read(1 << 16):
                for message in decoder.feed(data):
                    await self._handle(message)
        finally:
            writer.close()

    async def _handle(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "hello":
            if message.get("protocol") != PROTOCOL:
                return
            self.connected = True
        elif kind == "pong":
            await self._set_clock(message)
        handler = self.handlers.get(str(kind))
        if handler is not None:
            await handler(message)

    async def _set_clock(self, message: Message) -> None:
        theirs = message.get("time")
        if isinstance(theirs, int) and abs(time.time() - theirs / 1e9) > _CLOCK_SLACK:
            await self.send({"type": "time", "now": time.time_ns()})

    async def _beat(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(_HEARTBEAT)
            number += 1
            await self.send({"type": "ping", "id": number})
