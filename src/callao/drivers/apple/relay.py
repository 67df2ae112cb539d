# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes a NIC's frames between a datagram socket, as these tools have it, and a network's stream.

In the stream each frame comes after its length in 32 bits. As a cable does, this drops what the other end
has no space for.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct

_LENGTH = struct.Struct(">I")
_LARGEST = 65550
"""Bytes of a frame."""
_CHUNK = 1 << 17
_FULL = 1 << 20
"""Bytes that wait for the stream, beyond which frames of the guest are dropped."""
_RETRY = 0.0005
"""Seconds until a frame is sent again that the guest had no space for: macOS says ENOBUFS, and no more."""
_BUFFERS = ((socket.SO_SNDBUF, 1 << 20), (socket.SO_RCVBUF, 4 << 20))
"""As much as vfkit asks for."""
_LATER = (errno.EAGAIN, errno.ENOBUFS)
_AT_ONCE = 64
"""Frames of the guest that are taken before the event loop serves others."""


class Relay:
    """``theirs`` is the descriptor that the tool inherits; close it then."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        for each in (self._ours, self.theirs):
            for option, size in _BUFFERS:
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, option, size)
        self._ours.setblocking(False)
        self._stream: socket.socket | None = None
        self._received = bytearray()
        self._unsent = bytearray()
        self._retry: asyncio.TimerHandle | None = None
        self._begun = False

    def connect(self, stream: int) -> None:
        """Have the frames go to another stream, of which the relay takes a duplicate."""
        self._disconnect()
        self._stream = socket.socket(fileno=os.dup(stream))
        self._stream.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._stream, self._from_stream)
        if not self._begun:
            loop.add_reader(self._ours, self._from_guest)
            self._begun = True

    def close(self) -> None:
        self._disconnect()
        if self._begun:
            asyncio.get_running_loop().remove_reader(self._ours)
            self._begun = False
        self._ours.close()
        self.theirs.close()

    def _disconnect(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._received.clear()
        self._unsent.clear()
        if self._stream is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._stream)
            loop.remove_writer(self._stream)
            self._stream.close()
            self._stream = None

    def _from_stream(self) -> None:
        assert self._stream is not None
        try:
            data = self._stream.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._disconnect()  # whoever watches the network connects us again
            return
        self._received += data
        self._deliver()

    def _deliver(self) -> None:
        """The frames that are whole, as far as the guest takes them."""
        self._retry = None
        while len(self._received) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._received)
            if length > _LARGEST:
                self._disconnect()
                return
            end = _LENGTH.size + length
            if len(self._received) < end:
                break
            try:
                self._ours.send(self._received[_LENGTH.size : end])
            except OSError as error:
                if error.errno in _LATER:
                    self._wait()
                    return
            del self._received[:end]
        if self._stream is not None:
            asyncio.get_running_loop().add_reader(self._stream, self._from_stream)

    def _wait(self) -> None:
        """The stream is not read meanwhile."""
        assert self._stream is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._stream)
        self._retry = loop.call_later(_RETRY, self._deliver)

    def _from_guest(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                frame = self._ours.recv(_LARGEST)
            except OSError:
                break
            if not frame:
                asyncio.get_running_loop().remove_reader(self._ours)
                self._begun = False
                break
            if self._stream is not None and len(self._unsent) <= _FULL:
                self._unsent += _LENGTH.pack(len(frame)) + frame
        self._flush()

    def _flush(self) -> None:
        if self._stream is None:
            return
        loop = asyncio.get_running_loop()
        try:
            while self._unsent:
                del self._unsent[: self._stream.send(self._unsent)]
        except BlockingIOError:
            loop.add_writer(self._stream, self._flush)
            return
        except OSError:
            self._disconnect()
            return
        loop.remove_writer(self._stream)
