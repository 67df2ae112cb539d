# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel to the program in the guest: sends and receives messages as long as the machine runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callao.cancellation import cancel_and_wait
from callao.guest.frames import PROTOCOL, Decoder, FrameError, StreamFrame, encode
from callao.hostagent import unexpected
from callao.hostagent.channel.clock import GuestClock, Message
from callao.hostagent.channel.stream_multiplexer import StreamMultiplexer

if TYPE_CHECKING:
    from callao.drivers.base import OpenChannel

Handler = Callable[[Message], Awaitable[None]]

_RECONNECT_DELAY = 1.0
"""Seconds before the channel is opened again."""

_PING_INTERVAL = 30.0
"""Seconds between pings, which show that the guest's clock is off after the host was suspended."""

_MAX_UNREAD = 1 << 22
"""Bytes that the guest has not read, beyond which the channel is closed and opened again."""


@dataclass
class GuestLink:
    """The channel of one machine. The guest program may restart, and sends ``hello`` each time.

    Messages are ignored until it has answered the host agent's own ``hello``: earlier ones may be meant for
    an earlier connection, and what is sent earlier may be lost.
    """

    open_channel: OpenChannel
    """Opens a connection to the guest program."""
    handlers: Mapping[str, Handler]
    """The handlers by type of message."""
    multiplexer: StreamMultiplexer = field(default_factory=StreamMultiplexer)
    """Receives the frames of streams."""
    clock: GuestClock = field(default_factory=GuestClock)
    connected: bool = False
    """Whether the guest has answered the last ``hello``."""
    last_hello_id: int = 0
    """The id of the last ``hello`` that was sent; the answer repeats it."""
    writer: asyncio.StreamWriter | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Start the background tasks; returns at once."""
        self.tasks = [asyncio.ensure_future(self._read()), asyncio.ensure_future(self._send_pings())]

    async def close(self) -> None:
        """Stop the background tasks, and close the channel."""
        await cancel_and_wait(*self.tasks)
        self.multiplexer.detach()

    async def send(self, message: Message) -> None:
        """Send a message. It is dropped while the guest program is not connected, because everything is sent
        again after its ``hello``.

        The write is not awaited: if the guest waited for the host agent to read meanwhile, both would wait
        for ever.
        """
        if self.writer is not None and self.connected:
            self.writer.write(encode(dict(message)))

    async def _read(self) -> None:
        while True:
            try:
                await self._serve_connection()
            except (OSError, FrameError, EOFError):
                pass
            except (
                Exception
            ) as error:  # a guest may trigger a programming error: the channel is opened again
                unexpected.report("the channel to the guest", error)
            self.connected, self.writer = False, None
            self.multiplexer.detach()
            await asyncio.sleep(_RECONNECT_DELAY)

    async def _serve_connection(self) -> None:
        reader, writer = await self.open_channel()
        self.writer = writer
        decoder = Decoder()
        try:
            self._send_hello(writer)
            while data := await reader.read(1 << 16):
                if writer.transport.get_write_buffer_size() > _MAX_UNREAD:
                    raise FrameError("the guest sends and does not read")
                for message in decoder.feed(data):
                    if isinstance(message, StreamFrame):
                        self.multiplexer.receive(message)
                    else:
                        await self._handle(message)
        finally:
            writer.close()

    def _send_hello(self, writer: asyncio.StreamWriter) -> None:
        self.connected = False
        self.multiplexer.detach()
        self.last_hello_id += 1
        writer.write(encode({"type": "hello", "protocol": PROTOCOL, "id": self.last_hello_id}))

    async def _handle(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "hello" and not self._is_answer_to_hello(message):
            return
        if kind in ("pong", "timed") and (reply := self.clock.reply_to(message)):
            await self.send(reply)
        handler = self.handlers.get(str(kind))
        if handler is not None:
            await handler(message)

    def _is_answer_to_hello(self, hello: Message) -> bool:
        """Whether it is the answer to the last ``hello``. A guest program that has just started is sent a
        new one.
        """
        assert self.writer is not None
        if hello.get("protocol") != PROTOCOL:
            return False
        if "answer" not in hello:
            self._send_hello(self.writer)
        elif hello["answer"] == self.last_hello_id and not self.connected:
            self.connected = True
            self.multiplexer.attach(self.writer)
            self.writer.write(encode(dict(self.clock.time_message())))
            return True
        return False

    async def _send_pings(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(_PING_INTERVAL)
            number += 1
            await self.send(self.clock.ping_message(number))
