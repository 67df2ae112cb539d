# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's end of a network: a TAP device, which gives and takes one frame with each system call."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import contextlib
import os

from callao.networks.usernet.forwarding import HEAD_SIZE, Decide, Outlet, forward
from callao.networks.usernet.packets import LENGTH

_READ = 1 << 16
"""Bytes of the device before it is the guests' turn."""

_LONGEST = 1 << 16


class Tap:
    """Reads and writes without waiting, called by the event loop; see :class:`Outlet`."""

    def __init__(self, descriptor: int, macs: set[bytes], decide: Decide) -> None:
        """:param macs: the device's own."""
        self.macs = set(macs)
        self.routes: dict[bytes, Outlet] = {}
        self._descriptor = descriptor
        self._decide = decide
        self._buffer = memoryview(bytearray(_READ + LENGTH.size + _LONGEST + HEAD_SIZE))
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def send(self, frames: memoryview, _sender: Outlet) -> None:
        """See :class:`Outlet`."""
        at = 0
        while at < len(frames):
            begin = at + LENGTH.size
            at = begin + int(LENGTH.unpack_from(frames, at)[0])
            with contextlib.suppress(OSError):  # too long, or its queue is full: lost, as on any wire
                os.write(self._descriptor, frames[begin:at])

    def _read(self) -> None:
        end = 0
        while end < _READ:
            begin = end + LENGTH.size
            try:
                size = os.readv(self._descriptor, [self._buffer[begin : begin + _LONGEST]])
            except OSError:  # there is none any more
                break
            LENGTH.pack_into(self._buffer, end, size)
            end = begin + size
        forward(self, self._buffer, end, self._decide)
