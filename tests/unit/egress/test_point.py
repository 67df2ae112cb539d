# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole of it, with this test as the guest's NIC and as QEMU's network stack."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from dnslib import DNSRecord
from egress.frames import ACK, DNS, GATEWAY, GUEST, RST, SYN, ends, is_valid, tcp, udp

from callao.egress import EgressPoint
from callao.guest_network import USER_MODE
from callao.resolver import Rules


class Wire:
    def __init__(self, point: EgressPoint) -> None:
        self.point = point
        self.nic, self.stack = point.hypervisor_sockets
        for each in (self.nic, self.stack):
            each.setblocking(False)

    async def send(self, end: socket.socket, *frames: bytes) -> None:
        data = b"".join(struct.pack(">I", len(each)) + each for each in frames)
        await asyncio.get_running_loop().sock_sendall(end, data)

    async def receive(self, end: socket.socket) -> bytes:
        (size,) = struct.unpack(">I", await self._exactly(end, 4))
        return await self._exactly(end, size)

    async def _exactly(self, end: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = await asyncio.get_running_loop().sock_recv(end, size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


def with_wire(folder: Path, test: Callable[[Wire], Awaitable[None]], *allow: str) -> None:
    async def run() -> None:
        point = EgressPoint(USER_MODE, allow, log=True, log_file=folder / "egress.log")
        try:
            await point.start(Rules(hosts={"own.test": GATEWAY, "*.wild.test": GATEWAY}))
            async with asyncio.timeout(30):
                await test(Wire(point))
        finally:
            await point.close()

    asyncio.run(run())


def test_what_is_refused_is_reset_listed_and_logged_and_the_rest_passes(tmp_path: Path) -> None:
    async def test(wire: Wire) -> None:
        allowed = tcp(("10.0.0.1", 443))
        await wire.send(wire.nic, tcp(("8.8.8.8", 443)), udp(("8.8.8.8", 53)), allowed)
        reset = await wire.receive(wire.nic)
        assert ends(reset) == ("8.8.8.8", 443, GUEST, 40000)
        assert is_valid(reset)
        assert reset[47] == RST | ACK
        assert reset[42:46] == (8).to_bytes(4, "big")
        assert await wire.receive(wire.stack) == allowed
        described = wire.point.describe()
        assert described["allow"] == ["10.0.0.0/8"]
        assert described["refusedTotal"] == 2
        assert (tmp_path / "egress.log").read_text().count("8.8.8.8") == 2

    with_wire(tmp_path, test, "10.0.0.0/8")


def test_a_name_s_address_is_reached_after_the_guest_has_asked_for_it_and_not_before(tmp_path: Path) -> None:
    async def test(wire: Wire) -> None:
        await wire.send(wire.nic, tcp((GATEWAY, 8443)))
        assert (await wire.receive(wire.nic))[47] == RST | ACK

        await wire.send(wire.nic, udp((DNS, 53), payload=DNSRecord.question("a.wild.test").pack()))
        question = await wire.receive(wire.stack)
        resolver = ends(question)[3]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(("127.0.0.1", resolver))  # as QEMU's stack does
            client.send(question[42:])
            answer = await asyncio.get_running_loop().sock_recv(client, 4096)
        await wire.send(wire.stack, udp((GUEST, 40000), (GATEWAY, resolver), answer))
        heard = await wire.receive(wire.nic)
        assert ends(heard) == (DNS, 53, GUEST, 40000)
        assert str(DNSRecord.parse(heard[42:]).a.rdata) == GATEWAY

        await wire.send(wire.nic, tcp((GATEWAY, 8443)))
        source, port, target, relay = ends(await wire.receive(wire.stack))
        assert (source, port, target) == (GUEST, 40000, GATEWAY)
        assert relay not in (8443, resolver)
        await wire.send(wire.stack, tcp((GUEST, 40000), SYN | ACK, (GATEWAY, relay)))
        assert ends(await wire.receive(wire.nic))[:2] == (GATEWAY, 8443)

        wire.point.replace([], log=False)
        await wire.send(wire.nic, udp((DNS, 53), payload=DNSRecord.question("evil.test").pack()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(("127.0.0.1", resolver))
            client.send((await wire.receive(wire.stack))[42:])
            answer = await asyncio.get_running_loop().sock_recv(client, 4096)
        assert DNSRecord.parse(answer).header.rcode == 3

    with_wire(tmp_path, test, "*.wild.test:8443")


def test_a_configured_name_need_not_be_asked_for_as_the_guest_has_it_in_etc_hosts(tmp_path: Path) -> None:
    async def test(wire: Wire) -> None:
        await wire.send(wire.nic, tcp((GATEWAY, 8444)), tcp((GATEWAY, 8443)))
        assert (await wire.receive(wire.nic))[47] == RST | ACK
        assert ends(await wire.receive(wire.stack))[2] == GATEWAY

    with_wire(tmp_path, test, "own.test:8443")


def test_a_stream_that_is_no_longer_frames_leaves_the_guest_without_a_network(tmp_path: Path) -> None:
    async def test(wire: Wire) -> None:
        await asyncio.get_running_loop().sock_sendall(wire.nic, b"\xff" * 40)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.get_running_loop().sock_recv(wire.stack, 1) == b""

    with_wire(tmp_path, test, "0.0.0.0/0")
