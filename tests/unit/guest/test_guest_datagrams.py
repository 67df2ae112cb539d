# SPDX-License-Identifier: GPL-3.0-or-later
"""Datagrams by the guest's program: the program as a process, and the host's end as the agent has it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest_scene import Scene, with_guest
from support.waiting import until

from callao.hostagent.ports import udp_forward

LARGE = os.urandom(60_000)


class Asker(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, _address: object) -> None:
        self.heard.put_nowait(data)


async def asker(port: int, host_ip: str) -> tuple[asyncio.DatagramTransport, Asker]:
    loop = asyncio.get_running_loop()
    return await loop.create_datagram_endpoint(Asker, remote_addr=(host_ip, port))


@contextlib.contextmanager
def echo_udp(address: str) -> Iterator[int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    bound.bind((address, 0))

    def serve() -> None:
        while (said := bound.recvfrom(1 << 16)) and said[0] != b"stop":
            bound.sendto(b"echo " + said[0], said[1])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield bound.getsockname()[1]
    with socket.socket(family, socket.SOCK_DGRAM) as last:
        last.sendto(b"stop", bound.getsockname())
    thread.join()
    bound.close()


@pytest.mark.parametrize(
    ("guest_ip", "host_ip"), [("127.0.0.1", "127.0.0.1"), ("::1", "127.0.0.1"), ("127.0.0.1", "::1")]
)
def test_datagrams_go_to_the_server_and_answers_to_who_asked(
    tmp_path: Path, guest_ip: str, host_ip: str
) -> None:
    async def work(scene: Scene) -> None:
        with echo_udp(guest_ip) as server_port:
            async with scene.forward(server_port, "udp", guest_ip, host_ip) as port:
                askers = [await asker(port, host_ip) for _ in range(5)]
                for number, (transport, _) in enumerate(askers):
                    transport.sendto(b"%d" % number)
                for number, (transport, protocol) in enumerate(askers):
                    assert await protocol.heard.get() == b"echo %d" % number
                    transport.close()

    with_guest(tmp_path, work)


def test_a_large_datagram_and_an_empty_one_stay_whole(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        with echo_udp("127.0.0.1") as server_port:
            async with scene.forward(server_port, "udp") as port:
                transport, protocol = await asker(port, "127.0.0.1")
                transport.sendto(LARGE)
                assert await protocol.heard.get() == b"echo " + LARGE
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.sendto(b"", ("127.0.0.1", port))
                    client.setblocking(False)
                    answer = await asyncio.get_running_loop().sock_recv(client, 100)
                assert answer == b"echo "
                transport.close()

    with_guest(tmp_path, work)


def test_a_client_of_datagrams_that_falls_silent_is_forgotten_and_welcome_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp_forward, "IDLE_TIMEOUT", 0.2)

    async def work(scene: Scene) -> None:
        with echo_udp("127.0.0.1") as server_port:
            async with scene.forward(server_port, "udp") as port:
                transport, protocol = await asker(port, "127.0.0.1")
                for _ in range(2):
                    transport.sendto(b"a")
                    assert await protocol.heard.get() == b"echo a"
                    assert scene.link.multiplexer.open_streams
                    await until(lambda: not scene.link.multiplexer.open_streams)
                transport.close()

    with_guest(tmp_path, work)


def test_more_clients_of_datagrams_than_there_may_be_push_out_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp_forward, "MAX_CLIENTS", 3)

    async def work(scene: Scene) -> None:
        with echo_udp("127.0.0.1") as server_port:
            async with scene.forward(server_port, "udp") as port:
                for _ in range(10):
                    transport, protocol = await asker(port, "127.0.0.1")
                    transport.sendto(b"a")
                    assert await protocol.heard.get() == b"echo a"
                    transport.close()
                assert scene.link.multiplexer.open_streams == 3
            assert scene.link.multiplexer.open_streams == 0

    with_guest(tmp_path, work)
