# SPDX-License-Identifier: GPL-3.0-or-later
"""The poll loop of one connection to the host, a non-blocking file descriptor, and of other descriptors."""

import sys

assert sys.platform == "linux"

import math
import os
import select
from collections.abc import Callable

from callao.guest.frames import FrameKind, encode, encode_stream_frame

READ_SIZE = 1 << 16
STREAM_HIGH_WATER = 1 << 18
"""Unsent bytes beyond which streams pause, so that a message never waits for more than these."""

READ_HIGH_WATER = 1 << 20
"""Unsent bytes beyond which nothing more is read, so that a host that does not read cannot fill the memory
with answers."""


class LinkClosed(Exception):
    """The host has disconnected."""


class Link:
    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._unsent = bytearray()
        self._poll = select.poll()
        self._poll.register(descriptor, 0)
        self._callbacks = {}  # type: dict[int, Callable[[int], None]]
        self._drain_callbacks = {}  # type: dict[int, Callable[[], None]]

    @property
    def streams_paused(self) -> bool:
        """Whether streams have to wait before they send."""
        return len(self._unsent) > STREAM_HIGH_WATER

    @property
    def reading_paused(self) -> bool:
        """Whether the host does not read, so that nothing is read from it either."""
        return len(self._unsent) > READ_HIGH_WATER

    def watch(self, descriptor: int, events: int, callback: "Callable[[int], None]") -> None:
        """Call ``callback`` with poll(2)'s events of a descriptor; replaces an earlier registration."""
        self._callbacks[descriptor] = callback
        self._poll.register(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        """Stop watching a descriptor; call it before closing it. One that is not watched is ignored."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def when_drained(self, number: int, callback: "Callable[[], None]") -> None:
        """Call once the unsent bytes have fallen to half of STREAM_HIGH_WATER; one callback for each
        stream.
        """
        self._drain_callbacks[number] = callback

    def wait(self, seconds: float) -> bool:
        """Poll once: send what can be sent, and call the callbacks of other descriptors.

        Returns whether there are bytes of the host to read.

        :raises LinkClosed: when the host has disconnected.
        """
        reading = 0 if self.reading_paused else select.POLLIN
        writing = select.POLLOUT if self._unsent else 0
        self._poll.modify(self._descriptor, reading | writing)
        readable = False
        for descriptor, event in self._poll.poll(math.ceil(seconds * 1000)):
            if descriptor != self._descriptor:
                callback = self._callbacks.get(descriptor)  # another callback may have unwatched it
                if callback is not None:
                    callback(event)
                continue
            if event & select.POLLOUT:
                self.flush()
            readable = bool(event & select.POLLIN)
            if not readable and event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                raise LinkClosed("the host hung up")
        return readable

    def read(self) -> bytes:
        """The bytes that have arrived. A virtio port whose host side is closed reads as end of file.

        A virtio port returns at most a page for each read(2), however much has arrived: read until it is
        empty.

        :raises LinkClosed: when the host has disconnected.
        """
        parts = []  # type: list[bytes]
        length = 0
        try:
            while length < READ_SIZE:
                data = os.read(self._descriptor, READ_SIZE)
                if not data and not parts:
                    raise LinkClosed("the host closed its side")
                if not data:
                    break
                parts.append(data)
                length += len(data)
        except BlockingIOError:
            pass
        except OSError as error:
            raise LinkClosed(str(error)) from error
        return b"".join(parts)

    def send(self, message: "dict[str, object]") -> None:
        self._unsent += encode(message)
        self.flush()

    def send_stream_frame(self, kind: FrameKind, stream: int, data: bytes = b"") -> None:
        self._unsent += encode_stream_frame(kind, stream, data)
        self.flush()

    def flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._descriptor, self._unsent[:READ_SIZE])]
        except BlockingIOError:
            pass
        except OSError as error:
            raise LinkClosed(str(error)) from error
        if self._drain_callbacks and len(self._unsent) <= STREAM_HIGH_WATER // 2:
            callbacks, self._drain_callbacks = self._drain_callbacks, {}
            for callback in callbacks.values():
                callback()

    def close(self) -> None:
        os.close(self._descriptor)
