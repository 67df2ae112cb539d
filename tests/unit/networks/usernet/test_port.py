# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to the switch, and what waits for it."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import ExitStack

from networks.usernet.wire import mac

from callao.networks.usernet.port import Port


def test_what_waits_is_bounded_by_the_number_of_frames_too() -> None:
    tiny = mac(2) + mac(1) + b"\x12\x34"
    end = b"\x00\x00\x00\x01."

    async def send(receiving: socket.socket, *ends: socket.socket) -> int:
        to, one, other = (Port(each, lambda *_: 0, lambda *_: None) for each in ends)
        for _ in range(20_000):
            to.send(memoryview(struct.pack(">I", len(tiny)) + tiny), one)
        to.send(memoryview(end), other)
        received = b""
        while not received.endswith(end):
            received += await asyncio.get_running_loop().sock_recv(receiving, 1 << 20)
        for each in (to, one, other):
            each.close()
        return len(received) // (4 + len(tiny))

    with ExitStack() as stack:
        ends = [stack.enter_context(each) for _ in range(3) for each in socket.socketpair()]
        ends[1].setblocking(False)
        assert asyncio.run(send(ends[1], ends[0], ends[2], ends[4])) < 5_000
