# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel to the program in the guest: messages in, messages out, for as long as the machine runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callao.guest.frames import PROTOCOL, Decoder, FrameError, StreamFrame, encode
from callao.hostagent import unexpected
from callao.hostagent.channel.clock import GuestClock, Message
from callao.hostagent.channel.stream_multiplexer import StreamMultiplexer

if TYPE_CHECKING:
    from callao.drivers.base import OpenChannel

Handler = Callable[[Message], Awaitable[None]]

_PAUSE = 1.0
"""Seconds before the channel is opened again."""

_HEARTBEAT = 30.0
"""Seconds between pings: what tells that the guest's clock is off, after the host has slept."""

_DEAF = 1 << 22
"""Bytes unread by the guest beyond which the channel is closed, and opened again: it may begin anew."""


@dataclass
class GuestLink:
    """One per machine. The guest's end may come and go, and says hello each time.

    Nothing counts before it has answered our own hello: what it says until then may be meant for another
    that was there before, and what we say may be lost.
    """

    open: OpenChannel
    """A new connection to the guest's end."""
    handlers: Mapping[str, Handler]
    """By the message's type."""
    multiplexer: StreamMultiplexer = field(default_factory=StreamMultiplexer)
    """What is done with pieces of streams."""
    clock: GuestClock = field(default_factory=GuestClock)
    connected: bool = False
    """Whether the guest has answered our hello."""
    hellos: int = 0
    """How many we have said; an answer tells which it is for."""
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
        self.multiplexer.end()

    async def send(self, message: Message) -> None:
        """Nothing happens while nobody is there: the guest's hello makes us say all again.

        Not waited for: a guest that waits for us to read would wait for ever.
        """
        if self.writer is not None and self.connected:
            self.writer.write(encode(dict(message)))

    async def _read(self) -> None:
        while True:
            try:
                await self._converse()
            except (OSError, FrameError, EOFError):
                pass
            except Exception as error:  # a guest may have found a mistake of ours: its next words are heard
                unexpected.tell("the channel to the guest", error)
            self.connected, self.writer = False, None
            self.multiplexer.end()
            await asyncio.sleep(_PAUSE)

    async def _converse(self) -> None:
        reader, writer = await self.open()
        self.writer = writer
        decoder = Decoder()
        try:
            self._say_hello(writer)
            while data := await reader.read(1 << 16):
                if writer.transport.get_write_buffer_size() > _DEAF:
                    raise FrameError("the guest speaks, and does not listen")
                for message in decoder.feed(data):
                    if isinstance(message, StreamFrame):
                        self.multiplexer.take(message)
                    else:
                        await self._handle(message)
        finally:
            writer.close()

    def _say_hello(self, writer: asyncio.StreamWriter) -> None:
        self.connected = False
        self.multiplexer.end()
        self.hellos += 1
        writer.write(encode({"type": "hello", "protocol": PROTOCOL, "id": self.hellos}))

    async def _handle(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "hello" and not self._greeted(message):
            return
        if kind in ("pong", "timed") and (reply := self.clock.heard(message)):
            await self.send(reply)
        handler = self.handlers.get(str(kind))
        if handler is not None:
            await handler(message)

    def _greeted(self, hello: Message) -> bool:
        """Whether it is the answer to our last hello; a program that has just begun is told another."""
        assert self.writer is not None
        if hello.get("protocol") != PROTOCOL:
            return False
        if "answer" not in hello:
            self._say_hello(self.writer)
        elif hello["answer"] == self.hellos and not self.connected:
            self.connected = True
            self.multiplexer.begin(self.writer)
            self.writer.write(encode(dict(self.clock.tell())))
            return True
        return False

    async def _beat(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(_HEARTBEAT)
            number += 1
            await self.send(self.clock.ping(number))
