# SPDX-License-Identifier: GPL-3.0-or-later
"""With QEMU's own network stack behind the egress point, in a QEMU without a machine, and this test as the
guest, which speaks TCP by frames of its own making."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from egress.frames import ACK, GATEWAY, GUEST, GUEST_MAC, RST, STACK_MAC, SYN, ends, is_valid, tcp

from callao.drivers.base import Forward, NicSockets
from callao.drivers.qemu import binary
from callao.drivers.qemu.devices import UserNetwork
from callao.egress import EgressPoint
from callao.guest_network import USER_MODE
from callao.host import Host
from callao.resolver import Rules

NAME = "named.test"


class Guest:
    def __init__(self, nic: socket.socket) -> None:
        self._nic = nic

    async def send(self, frame: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._nic, struct.pack(">I", len(frame)) + frame)

    async def tcp_frame(self) -> bytes:
        """The next one; answers ARP meanwhile, as a guest does."""
        while True:
            frame = await self._exactly(struct.unpack(">I", await self._exactly(4))[0])
            if frame[12:14] == b"\x08\x06":
                await self.send(
                    frame[6:12] + GUEST_MAC + frame[12:20] + b"\x00\x02" + GUEST_MAC
                    + socket.inet_aton(GUEST) + frame[22:32]
                )  # fmt: skip
            elif frame[12:14] == b"\x08\x00" and frame[23] == 6:
                frame = frame[: 14 + int.from_bytes(frame[16:18], "big")]  # without padding
                assert is_valid(frame)
                return frame

    async def greeting(self, target: str, port: int, own_port: int) -> bytes:
        """What a server says first; empty for a connection that is reset."""
        await self.send(tcp((target, port), SYN, (GUEST, own_port)))
        answer = await self.tcp_frame()
        assert ends(answer) == (target, port, GUEST, own_port)
        if answer[47] & RST:
            return b""
        number = int.from_bytes(answer[38:42], "big") + 1
        acknowledge = tcp((target, port), ACK, (GUEST, own_port))
        await self.send(with_numbers(acknowledge, 8, number))
        while not (payload := (frame := await self.tcp_frame())[14 + 20 + (frame[46] >> 4) * 4 :]):
            if frame[47] & RST:
                return b""
        return payload

    async def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = await asyncio.get_running_loop().sock_recv(self._nic, size - len(data))
            assert part, "QEMU has ended"
            data += part
        return data


def with_numbers(frame: bytes, sequence: int, acknowledgement: int) -> bytes:
    """With other numbers, and the checksum for them."""
    from callao.networks.usernet.packets import checksum

    segment = (
        frame[34:38] + struct.pack(">II", sequence, acknowledgement) + frame[46:50] + b"\0\0" + frame[52:]
    )
    pseudo = frame[26:34] + struct.pack(">HH", 6, len(segment))
    return frame[:34] + segment[:16] + struct.pack(">H", checksum(pseudo + segment)) + segment[18:]


@contextlib.asynccontextmanager
async def guest_of(point: EgressPoint, forward: Forward) -> AsyncIterator[Guest]:
    nic, stack = point.hypervisor_sockets
    own = socket.socket(fileno=socket.dup(nic.fileno()))
    own.setblocking(False)
    network = UserNetwork(
        USER_MODE, GUEST_MAC.hex(":"), (forward,), NicSockets(nic.fileno(), stack.fileno())
    )
    words = network.argv()
    # The device, and what it is connected to, are this test.
    words = words[: words.index("-device") - 2]
    program = binary.find(Host.detect().arch)
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program, "-machine", "none", "-nodefaults", "-display", "none", *words, pass_fds=(stack.fileno(),)
    )
    try:
        with own:
            yield Guest(own)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("by_name", [True, False])
def test_what_is_allowed_is_reached_through_the_stack_and_nothing_else(
    by_name: bool, tmp_path: Path
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"host")
        await writer.drain()
        await reader.read()

    async def run() -> None:
        allowed, closed = [await asyncio.start_server(greet, "127.0.0.1", 0) for _ in range(2)]
        ports = [each.sockets[0].getsockname()[1] for each in (allowed, closed)]
        with socket.create_server(("127.0.0.1", 0)) as free:
            forward = Forward("tcp", "127.0.0.1", free.getsockname()[1], 22)
        rule = f"{NAME if by_name else GATEWAY}:{ports[0]}"
        point = EgressPoint(USER_MODE, [rule], log=False, log_file=tmp_path / "egress.log")
        try:
            await point.start(Rules(hosts={NAME: GATEWAY}))
            async with asyncio.timeout(30), guest_of(point, forward) as guest:
                await guest.send(STACK_MAC + GUEST_MAC + b"\x08\x06" + arp_request())
                assert await guest.greeting(GATEWAY, ports[0], 40001) == b"host"
                assert await guest.greeting(GATEWAY, ports[1], 40002) == b""
                await host_connects(guest, forward)
        finally:
            await point.close()
            for each in (allowed, closed):
                each.close()

    asyncio.run(run())


def arp_request() -> bytes:
    """For the gateway: the stack learns the guest's address by it."""
    addresses = GUEST_MAC + socket.inet_aton(GUEST) + bytes(6) + socket.inet_aton(GATEWAY)
    return b"\x00\x01\x08\x00\x06\x04\x00\x01" + addresses


async def host_connects(guest: Guest, forward: Forward) -> None:
    """A client of the host gets an answer of the guest by a forwarded port."""
    connecting = asyncio.ensure_future(asyncio.open_connection(forward.host_ip, forward.host_port))
    while (syn := await guest.tcp_frame())[47] & (SYN | ACK) != SYN:
        pass
    source, port, _, own_port = ends(syn)
    assert own_port == 22
    number = int.from_bytes(syn[38:42], "big") + 1
    await guest.send(with_numbers(tcp((source, port), SYN | ACK, (GUEST, 22)), 100, number))
    while ends(await guest.tcp_frame()) != ends(syn):
        pass
    await guest.send(with_numbers(tcp((source, port), ACK, (GUEST, 22), b"guests"), 101, number))
    reader, writer = await connecting
    assert await reader.readexactly(6) == b"guests"
    writer.close()
