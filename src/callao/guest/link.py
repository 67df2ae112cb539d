# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to the host, a file descriptor that never blocks; and what else is waited for with it."""

import sys

assert sys.platform == "linux"

import math
import os
import select
from collections.abc import Callable

from callao.guest.frames import Kind, encode, encode_piece

CHUNK = 1 << 16
CROWDED = 1 << 18
"""Bytes unsent beyond which no stream adds to them: a message waits for no more than these."""

CONGESTED = 1 << 20
"""Bytes unsent beyond which nothing more is read: a host that does not read is not answered."""


class Closed(Exception):
    """The host has left."""


class Link:
    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._unsent = bytearray()
        self._poll = select.poll()
        self._poll.register(descriptor, 0)
        self._watched = {}  # type: dict[int, Callable[[int], None]]
        self._waiting = {}  # type: dict[int, Callable[[], None]]

    @property
    def crowded(self) -> bool:
        """Whether a stream has to wait."""
        return len(self._unsent) > CROWDED

    @property
    def congested(self) -> bool:
        """Whether the host does not read."""
        return len(self._unsent) > CONGESTED

    def watch(self, descriptor: int, events: int, ready: "Callable[[int], None]") -> None:
        """Have ``ready`` told poll(2)'s events while we wait; instead of what was asked before."""
        self._watched[descriptor] = ready
        self._poll.register(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        """Before it is closed; nothing happens when it is not watched."""
        if self._watched.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def when_relieved(self, number: int, call: "Callable[[], None]") -> None:
        """Call once it is not crowded any more; one call for a number."""
        self._waiting[number] = call

    def wait(self, seconds: float) -> bool:
        """Until there is something to read, or another descriptor had its turn, or time is up. Sends what it
        can meanwhile.

        :raises Closed: when the host has left.
        """
        reading = 0 if self.congested else select.POLLIN
        writing = select.POLLOUT if self._unsent else 0
        self._poll.modify(self._descriptor, reading | writing)
        readable = False
        for descriptor, event in self._poll.poll(math.ceil(seconds * 1000)):
            if descriptor != self._descriptor:
                ready = self._watched.get(descriptor)  # another's turn may have ended it
                if ready is not None:
                    ready(event)
                continue
            if event & select.POLLOUT:
                self.flush()
            readable = bool(event & select.POLLIN)
            if not readable and event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                raise Closed("the host hung up")
        return readable

    def read(self) -> bytes:
        """What has come so far; a virtio port whose host side is closed reads as ended.

        Such a port gives a page at a time, however many it has: so it is asked until it has no more.
        """
        parts = []  # type: list[bytes]
        length = 0
        try:
            while length < CHUNK:
                data = os.read(self._descriptor, CHUNK)
                if not data and not parts:
                    raise Closed("the host closed its side")
                if not data:
                    break
                parts.append(data)
                length += len(data)
        except BlockingIOError:
            pass
        except OSError as error:
            raise Closed(str(error)) from error
        return b"".join(parts)

    def send(self, message: "dict[str, object]") -> None:
        self._unsent += encode(message)
        self.flush()

    def send_piece(self, kind: Kind, stream: int, data: bytes = b"") -> None:
        self._unsent += encode_piece(kind, stream, data)
        self.flush()

    def flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._descriptor, self._unsent[:CHUNK])]
        except BlockingIOError:
            pass
        except OSError as error:
            raise Closed(str(error)) from error
        if self._waiting and len(self._unsent) <= CROWDED // 2:
            waiting, self._waiting = self._waiting, {}
            for call in waiting.values():
                call()

    def close(self) -> None:
        os.close(self._descriptor)
