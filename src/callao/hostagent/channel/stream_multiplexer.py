# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's end of all streams to the guest's servers, on the one channel.

The guest is believed in nothing: what does not keep to what was agreed ends the channel, and what is for
no stream of ours is passed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from callao.errors import AgentError
from callao.guest.frames import FrameKind, StreamFrame, encode_stream_frame
from callao.guest.streams.window import StreamTarget

CROWDED = 1 << 18
"""Bytes unsent beyond which no stream adds to them: a message waits for no more than these."""

MOST = 900
"""Streams at a time. A window for each is what a guest can have us keep in memory, and a descriptor for each
is less than the 1,024 that a process usually has."""

_NUMBERS = 1 << 32


class Stream(Protocol):
    """One client's."""

    def take(self, piece: StreamFrame) -> None:
        """What came for it.

        :raises FrameError: when the guest does not keep to what was agreed.
        """

    def lost(self) -> None:
        """It is no more, and nothing can be sent."""


class StreamMultiplexer:
    """For one machine; the channel comes and goes."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._open: dict[int, Stream] = {}
        self._last = 0
        self._waiting: dict[int, Callable[[], None]] = {}
        self._draining: asyncio.Task[None] | None = None

    @property
    def busy(self) -> int:
        """Streams that are open."""
        return len(self._open)

    @property
    def crowded(self) -> bool:
        """Whether a stream has to wait."""
        return self._writer is not None and self._writer.transport.get_write_buffer_size() > CROWDED

    def begin(self, writer: asyncio.StreamWriter) -> None:
        """The guest has said hello: what there was is void to it."""
        self.end()
        writer.transport.set_write_buffer_limits(high=CROWDED)
        self._writer = writer

    def end(self) -> None:
        """The channel is closed."""
        self._writer = None
        lost, self._open = self._open, {}
        for stream in lost.values():
            stream.lost()
        self._waiting.clear()
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None

    def open(self, stream: Stream, target: StreamTarget) -> int:
        """Have the guest connect; returns the stream's number. Bytes may follow at once.

        :raises AgentError: when the guest's program is not there, or has enough to do.
        """
        if self._writer is None:
            raise AgentError("the guest's program is not there.")
        if self.busy >= MOST:
            raise AgentError(f"{MOST} connections go through the guest's program already.")
        # A number does not come again soon: what the guest had still to say to one is for no other.
        self._last = (self._last + 1) % _NUMBERS
        while self._last in self._open:
            self._last = (self._last + 1) % _NUMBERS
        self._open[self._last] = stream
        self.send(FrameKind.OPEN, self._last, target.pack())
        return self._last

    def send(self, kind: FrameKind, number: int, data: bytes = b"") -> None:
        """Nothing happens when the stream is no more."""
        if self._writer is not None and number in self._open:
            self._writer.write(encode_stream_frame(kind, number, data))

    def forget(self, number: int) -> None:
        """Both ends are done with it."""
        self._open.pop(number, None)
        self._waiting.pop(number, None)

    def take(self, piece: StreamFrame) -> None:
        """:raises FrameError: when the guest does not keep to what was agreed."""
        stream = self._open.get(piece.stream)
        if stream is not None:
            stream.take(piece)

    def when_relieved(self, number: int, call: Callable[[], None]) -> None:
        """Call once it is not crowded any more; one call for a stream, however often the guest gives it
        reason to ask.
        """
        self._waiting[number] = call
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            while self._waiting and self._writer is not None:
                await self._writer.drain()
                waiting, self._waiting = self._waiting, {}
                for call in waiting.values():
                    call()
        except OSError:
            pass  # who reads the channel sees it, too, and ends all streams
        finally:
            self._draining = None
