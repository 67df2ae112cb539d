# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's end of all streams to the guest's servers, multiplexed over the one channel.

The guest is not trusted: a frame that breaks the protocol closes the channel, and a frame for an unknown
stream is ignored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from callao.errors import AgentError
from callao.guest.frames import FrameKind, StreamFrame, encode_stream_frame
from callao.guest.streams.window import StreamTarget

STREAM_HIGH_WATER = 1 << 18
"""Unsent bytes beyond which streams pause, so that a message never waits for more than these."""

MAX_STREAMS = 900
"""Largest number of open streams. A guest can have the host agent buffer a window for each, and their
descriptors stay below the usual limit of 1,024."""

_NUMBER_COUNT = 1 << 32


class Stream(Protocol):
    """The stream of one client."""

    def receive(self, frame: StreamFrame) -> None:
        """Handle a frame from the guest.

        :raises FrameError: when the guest breaks the protocol.
        """

    def channel_closed(self) -> None:
        """The channel was closed: the stream has ended, and nothing can be sent."""


class StreamMultiplexer:
    """The streams of one machine; the channel may be closed and opened again."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._streams: dict[int, Stream] = {}
        self._last_number = 0
        self._drain_callbacks: dict[int, Callable[[], None]] = {}
        self._draining: asyncio.Task[None] | None = None

    @property
    def open_streams(self) -> int:
        """The number of open streams."""
        return len(self._streams)

    @property
    def streams_paused(self) -> bool:
        """Whether streams have to wait before they send."""
        return (
            self._writer is not None and self._writer.transport.get_write_buffer_size() > STREAM_HIGH_WATER
        )

    def attach(self, writer: asyncio.StreamWriter) -> None:
        """Use a new channel; all streams of the previous one end."""
        self.detach()
        writer.transport.set_write_buffer_limits(high=STREAM_HIGH_WATER)
        self._writer = writer

    def detach(self) -> None:
        """End all streams: the channel is closed."""
        self._writer = None
        channel_closed, self._streams = self._streams, {}
        for stream in channel_closed.values():
            stream.channel_closed()
        self._drain_callbacks.clear()
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None

    def open(self, stream: Stream, target: StreamTarget) -> int:
        """Have the guest connect; returns the stream's number. Data may be sent at once.

        :raises AgentError: when the guest program is not connected, or too many streams are open.
        """
        if self._writer is None:
            raise AgentError("the guest's program is not there.")
        if self.open_streams >= MAX_STREAMS:
            raise AgentError(f"{MAX_STREAMS} connections go through the guest's program already.")
        # Numbers are not reused soon, so that late frames of an ended stream are not taken for another's.
        self._last_number = (self._last_number + 1) % _NUMBER_COUNT
        while self._last_number in self._streams:
            self._last_number = (self._last_number + 1) % _NUMBER_COUNT
        self._streams[self._last_number] = stream
        self.send(FrameKind.OPEN, self._last_number, target.pack())
        return self._last_number

    def send(self, kind: FrameKind, number: int, data: bytes = b"") -> None:
        """Send a frame; ignored if the stream has ended."""
        if self._writer is not None and number in self._streams:
            self._writer.write(encode_stream_frame(kind, number, data))

    def remove(self, number: int) -> None:
        """Remove a stream that has ended at both sides."""
        self._streams.pop(number, None)
        self._drain_callbacks.pop(number, None)

    def receive(self, frame: StreamFrame) -> None:
        """Pass a frame to its stream.

        :raises FrameError: when the guest breaks the protocol.
        """
        stream = self._streams.get(frame.stream)
        if stream is not None:
            stream.receive(frame)

    def when_drained(self, number: int, callback: Callable[[], None]) -> None:
        """Call once streams may send again; one callback for each stream, which a later one replaces."""
        self._drain_callbacks[number] = callback
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            while self._drain_callbacks and self._writer is not None:
                await self._writer.drain()
                callbacks, self._drain_callbacks = self._drain_callbacks, {}
                for callback in callbacks.values():
                    callback()
        except OSError:
            pass  # the task that reads the channel gets the error, too, and ends all streams
        finally:
            self._draining = None
