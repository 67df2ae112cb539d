# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to the host: a file descriptor that never blocks."""

import math
import os
import select

from callao.guest.frames import encode

CHUNK = 1 << 16
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

    @property
    def pending(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._unsent)

    def wait(self, seconds: float) -> bool:
        """Until there is something to read, or time is up. Sends what it can meanwhile.

        :raises Closed: when the host has left.
        """
        reading = select.POLLIN if len(self._unsent) < CONGESTED else 0
        writing = select.POLLOUT if self._unsent else 0
        self._poll.modify(self._descriptor, reading | writing)
        readable = False
        for _, event in self._poll.poll(math.ceil(seconds * 1000)):
            if event & select.POLLOUT:
                self.flush()
            readable = bool(event & select.POLLIN)
            if not readable and event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                raise Closed("the host hung up")
        return readable

    def read(self) -> bytes:
        """What has come so far; a virtio port whose host side is closed reads as ended."""
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise Closed(str(error)) from error
        if not data:
            raise Closed("the host closed its side")
        return data

    def send(self, message: "dict[str, object]") -> None:
        self._unsent += encode(message)
        self.flush()

    def flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._descriptor, self._unsent[:CHUNK])]
        except BlockingIOError:
            pass
        except OSError as error:
            raise Closed(str(error)) from error

    def close(self) -> None:
        os.close(self._descriptor)
