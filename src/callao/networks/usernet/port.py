# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to the switch: a stream socket with frames, and the queue of what it has not taken yet."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Callable
from itertools import islice

from callao.networks.usernet.forwarding import HEAD_SIZE, Outlet, OutOfStep
from callao.networks.usernet.packets import LENGTH, LONGEST_STREAM_FRAME, STREAM_BUFFER

_BUFFER = 1 << 17
"""Bytes read at once: the more, the more frames share a system call."""

_QUEUED_FOR_ONE = 1 << 20
"""Bytes of one sender that may wait for one receiver. More are dropped, as a switch does: TCP adapts, and a
guest that floods does not take the place of the others' frames."""

_CHUNK_COST = 512
"""Bytes that a chunk in the queue counts beside its own, so that many tiny frames do not take more memory
than few large ones."""

_CHUNKS_AT_ONCE = 64

Accept = Callable[["Port", memoryview, int], int]
"""Takes the whole frames of a buffer up to an offset; returns how far it came."""


class Port:
    """Reads and writes without waiting, called by the event loop. ``mac`` is the address that it may
    use, if there is a single one; ``macs`` has all that were seen at it.
    """

    def __init__(
        self,
        connection: socket.socket,
        accept: Accept,
        closed: Callable[[Port, str], None],
        mac: bytes = b"",
    ) -> None:
        """:param closed: called once, when the connection has ended, with what was wrong, if anything."""
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER)
        self.mac = mac
        self.macs = {mac} if mac else set()
        self.routes: dict[bytes, Outlet] = {}
        self.dropped = 0
        self._socket = connection
        self._accept = accept
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        # A frame's head is read in one piece, also where the frame's end is not there yet.
        self._buffer = memoryview(bytearray(_BUFFER + LENGTH.size + LONGEST_STREAM_FRAME + HEAD_SIZE))
        self._filled = 0
        self._queue: deque[tuple[memoryview, Outlet]] = deque()
        self._waiting: Counter[Outlet] = Counter()
        """What the queue's chunks of a sender count."""
        self._loop.add_reader(connection, self._read)

    def close(self, why: str = "") -> None:
        """End the connection; nothing the second time."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._queue.clear()
        self._waiting.clear()
        self._closed(self, why)

    def send(self, frames: memoryview, sender: Outlet) -> None:
        """See :class:`.forwarding.Outlet`."""
        if self._socket.fileno() < 0:
            return
        if not self._queue:
            try:
                sent = self._socket.send(frames)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.close()
                return
            if sent == len(frames):
                return
            self._loop.add_writer(self._socket, self._write)
            begun = _end_of_frame(frames, sent)
            if begun > sent:  # the rest of a frame that has begun must come
                self._append(frames[sent:begun], sender)
            frames = frames[begun:]
        free = _QUEUED_FOR_ONE - self._waiting[sender] - _CHUNK_COST
        fitting = frames if len(frames) <= free else frames[: _whole_frames(frames, free)]
        if len(fitting) < len(frames):
            self.dropped += 1
        if fitting:
            self._append(fitting, sender)

    def _append(self, frames: memoryview, sender: Outlet) -> None:
        self._queue.append((memoryview(bytes(frames)), sender))
        self._waiting[sender] += len(frames) + _CHUNK_COST

    def _write(self) -> None:
        chunks = [chunk for chunk, _ in islice(self._queue, _CHUNKS_AT_ONCE)]
        try:
            sent = self._socket.sendmsg(chunks)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        while sent:
            chunk, sender = self._queue.popleft()
            taken = min(sent, len(chunk))
            sent -= taken
            self._waiting[sender] -= taken
            if taken < len(chunk):
                self._queue.appendleft((chunk[taken:], sender))
                break
            self._waiting[sender] -= _CHUNK_COST
            if not self._waiting[sender]:
                del self._waiting[sender]  # it may be gone for long
        if not self._queue:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            count = self._socket.recv_into(self._buffer[self._filled : self._filled + _BUFFER])
            if not count:
                self.close()
                return
            end = self._filled + count
            taken = self._accept(self, self._buffer, end)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        except OutOfStep as error:
            self.close(str(error))
            return
        self._filled = end - taken
        if self._filled and taken:
            self._buffer[: self._filled] = bytes(self._buffer[taken:end])


def _end_of_frame(frames: memoryview, offset: int) -> int:
    """The end of the frame that an offset lies within; the offset itself between two frames."""
    at = 0
    while at < offset:
        at += LENGTH.size + LENGTH.unpack_from(frames, at)[0]
    return at


def _whole_frames(frames: memoryview, most: int) -> int:
    """The bytes of those first frames that are not more than ``most`` bytes."""
    at = 0
    while at < len(frames):
        after = at + LENGTH.size + int(LENGTH.unpack_from(frames, at)[0])
        if after > most:
            break
        at = after
    return at
