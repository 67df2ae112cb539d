# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections by the guest's program: the program as a process, and the host's end as the agent has it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from guest_program import program
from guest_scene import Scene, linked, with_guest, without_guest
from support.namespace import network_namespace
from support.pythons import python
from support.waiting import PATIENCE, until

from callao.errors import AgentError, PortTaken
from callao.guest.streams.window import WINDOW
from callao.hostagent.channel import guest_link
from callao.hostagent.channel.guest_link import GuestLink
from callao.hostagent.ports.forwarders import AgentForwarder
from callao.ports import WantedForward, any_free, is_free

BULK = os.urandom(1 << 16) * 64


DUAL_STACK_SERVER = """
import socket
with socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    print("ready", flush=True)
    client, _ = server.accept()
    client.sendall(b"hi")
    client.close()
"""


@dataclass
class Server:
    """One of the guest's: what it does with a connection is the test's."""

    port: int
    kept: list[socket.socket] = field(default_factory=list)


@contextlib.contextmanager
def server(work: Callable[[socket.socket], None], address: str = "127.0.0.1") -> Iterator[Server]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family, backlog=512)

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            work(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield Server(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def echo_at_the_end(connection: socket.socket) -> None:
    parts = []
    while data := connection.recv(1 << 16):
        parts.append(data)
    connection.sendall(b"".join(parts))


def pour(connection: socket.socket) -> None:
    while True:
        connection.sendall(BULK)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_link, "_RECONNECT_DELAY", 0.01)


@pytest.mark.parametrize("name", [sys.executable, "python3.6", "python3.8"])
def test_bytes_arrive_as_they_were_and_the_end_of_one_direction_leaves_the_other(
    tmp_path: Path, name: str
) -> None:
    found = python(name)

    async def work(scene: Scene) -> None:
        with server(echo_at_the_end) as guest:
            async with scene.forward(guest.port) as port:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(BULK)
                writer.write_eof()
                assert await reader.read() == BULK
                writer.close()

    with_guest(tmp_path, work, found)


def test_both_directions_at_once(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        with server(echo) as guest:
            async with scene.forward(guest.port) as port:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(BULK)
                assert await reader.readexactly(len(BULK)) == BULK
                writer.close()

    with_guest(tmp_path, work)


@pytest.mark.parametrize(
    ("guest_ip", "host_ip"), [("::1", "127.0.0.1"), ("127.0.0.1", "::1"), ("::", "::1")]
)
def test_ipv6_on_either_side(tmp_path: Path, guest_ip: str, host_ip: str) -> None:
    async def work(scene: Scene) -> None:
        with server(echo, guest_ip) as guest:
            async with scene.forward(guest.port, guest_ip=guest_ip, host_ip=host_ip) as port:
                reader, writer = await asyncio.open_connection(host_ip, port)
                writer.write(b"hi")
                assert await reader.readexactly(2) == b"hi"
                writer.close()

    with_guest(tmp_path, work)


def test_a_refused_connection_is_reset(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        async with scene.forward(any_free()) as port:
            reader, _writer = await asyncio.open_connection("127.0.0.1", port)
            with pytest.raises(ConnectionResetError):
                await reader.read()

    with_guest(tmp_path, work)


def test_a_server_that_resets_resets_the_client_and_a_client_the_server(tmp_path: Path) -> None:
    ends: list[str] = []

    def abort(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def wait(connection: socket.socket) -> None:
        connection.sendall(b"x")
        try:
            connection.recv(1)
            connection.sendall(b"y")
            connection.sendall(connection.recv(1) or b"z")
        except OSError:
            pass
        ends.append("gone")

    async def work(scene: Scene) -> None:
        with server(abort) as guest:
            async with scene.forward(guest.port) as port:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"xy")
                with pytest.raises(ConnectionResetError):
                    await reader.read()
        with server(wait) as guest:
            async with scene.forward(guest.port) as port:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                await reader.readexactly(1)
                writer.transport.abort()
                await until(lambda: ends)
        await until(lambda: not scene.link.multiplexer.open_streams)

    with_guest(tmp_path, work)


def test_a_client_that_does_not_read_holds_up_no_other_and_fills_no_memory(tmp_path: Path) -> None:
    poured: list[int] = []

    def pour_and_count(connection: socket.socket) -> None:
        while True:
            poured.append(connection.send(BULK))

    async def work(scene: Scene) -> None:
        with server(pour_and_count) as much, server(echo) as little:
            async with scene.forward(much.port) as stuck, scene.forward(little.port) as port:
                with socket.create_connection(("127.0.0.1", stuck)):
                    seen = -1
                    while seen != sum(poured) or not seen:
                        seen = sum(poured)
                        await asyncio.sleep(0.5)
                    for _ in range(20):
                        reader, writer = await asyncio.open_connection("127.0.0.1", port)
                        writer.write(b"hi")
                        assert await reader.readexactly(2) == b"hi"
                        writer.close()
        kernels = 16 << 20  # what two pairs of sockets hold at most
        assert sum(poured) < kernels + 2 * WINDOW

    with_guest(tmp_path, work)


def test_a_server_that_does_not_read_stops_its_client(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        done = threading.Event()
        with server(lambda _: done.wait(PATIENCE) and None) as guest:
            async with scene.forward(guest.port) as port:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
                for _ in range(16):
                    writer.write(BULK)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        await writer.drain()
                writer.transport.abort()
        done.set()

    with_guest(tmp_path, work)


def test_a_thousand_connections_a_hundred_at_once(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        at_once = asyncio.Semaphore(100)
        with server(echo) as guest:
            async with scene.forward(guest.port) as port:

                async def ask(number: int) -> bytes:
                    async with at_once:
                        reader, writer = await asyncio.open_connection("127.0.0.1", port)
                        writer.write(str(number).encode())
                        writer.write_eof()
                        said = await reader.read()
                        writer.close()
                        return said

                said = await asyncio.gather(*(ask(number) for number in range(1000)))
        assert said == [str(number).encode() for number in range(1000)]
        await until(lambda: not scene.link.multiplexer.open_streams)

    with_guest(tmp_path, work)


def test_a_message_waits_for_no_stream(tmp_path: Path) -> None:
    """While one pours as much as it can."""
    pongs = asyncio.Queue[object]

    async def run(path: Path) -> None:
        answered = pongs()

        async def pong(message: object) -> None:
            answered.put_nowait(message)

        link = GuestLink(partial(asyncio.open_unix_connection, path), {"pong": pong})
        link.start()
        await until(lambda: link.connected)
        agent = AgentForwarder(link.multiplexer, tmp_path)
        with server(pour) as guest:
            wanted = WantedForward("tcp", "127.0.0.1", any_free(), "127.0.0.1", guest.port)
            await agent.open(wanted)
            reader, writer = await asyncio.open_connection("127.0.0.1", wanted.host_port)

            async def drink() -> None:
                while await reader.read(1 << 16):
                    pass

            drinking = asyncio.ensure_future(drink())
            for number in range(10):
                async with asyncio.timeout(5):
                    await link.send({"type": "ping", "id": number})
                    await answered.get()
            drinking.cancel()
            writer.transport.abort()
            await agent.close(wanted)
        await link.close()

    with program(tmp_path) as running:
        asyncio.run(run(running.path))


def test_a_channel_that_closes_ends_all_and_the_next_serves_again(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        with server(echo) as guest:
            async with scene.forward(guest.port) as port:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hi")
                await reader.readexactly(2)
                assert scene.link.writer is not None
                scene.link.writer.close()
                with pytest.raises(ConnectionResetError):
                    await reader.read()
                await until(lambda: scene.link.connected)
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hi")
                assert await reader.readexactly(2) == b"hi"
                writer.close()

    with_guest(tmp_path, work)


def test_without_the_guests_program_a_client_is_reset(tmp_path: Path) -> None:
    async def work() -> None:
        link = without_guest(tmp_path)
        agent = AgentForwarder(link.multiplexer, tmp_path)
        wanted = WantedForward("tcp", "127.0.0.1", any_free(), "127.0.0.1", 80)
        await agent.open(wanted)
        reader, _ = await asyncio.open_connection("127.0.0.1", wanted.host_port)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await agent.close(wanted)

    asyncio.run(work())


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_port_that_somebody_has_is_taken(tmp_path: Path, proto: str) -> None:
    async def work() -> None:
        agent = AgentForwarder(without_guest(tmp_path).multiplexer, tmp_path)
        kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as other:
            other.bind(("127.0.0.1", 0))
            with pytest.raises(PortTaken):
                await agent.open(WantedForward(proto, "127.0.0.1", other.getsockname()[1], "127.0.0.1", 80))

    asyncio.run(work())


def test_a_socket_of_the_host_leads_to_a_port_of_the_guest_and_is_for_its_user_alone(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        with server(echo) as guest:
            wanted = WantedForward("tcp", "", 0, "127.0.0.1", guest.port, host_socket="sock/page.sock")
            path = tmp_path / wanted.host_socket
            for _ in range(2):  # the second time over what a run that was killed has left
                await scene.agent.open(wanted)
                assert path.stat().st_mode & 0o777 == 0o600
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(b"hi")
                assert await reader.readexactly(2) == b"hi"
                writer.close()
                await scene.agent.close(wanted)
                assert not path.exists()
                with contextlib.closing(socket.socket(socket.AF_UNIX)) as left:
                    left.bind(str(path))
            with pytest.raises(AgentError, match="a socket carries TCP"):
                await scene.agent.open(replace(wanted, proto="udp"))

    with_guest(tmp_path, work)


def test_a_socket_of_another_program_is_left_to_it_before_and_after(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        wanted = WantedForward("tcp", "", 0, "127.0.0.1", 80, host_socket="page.sock")
        path = tmp_path / wanted.host_socket
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen()
            with pytest.raises(AgentError, match="another program listens on"):
                await scene.agent.open(wanted)
            assert path.is_socket()
        path.unlink()
        await scene.agent.open(wanted)
        path.rename(tmp_path / "moved")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            await scene.agent.close(wanted)
            assert path.is_socket()

    with_guest(tmp_path, work)


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_every_address_of_the_host_takes_ipv4_as_well(tmp_path: Path, proto: str) -> None:
    async def work() -> None:
        agent = AgentForwarder(without_guest(tmp_path).multiplexer, tmp_path)
        wanted = WantedForward(proto, "::", any_free(proto, "::"), "127.0.0.1", 80)
        await agent.open(wanted)
        assert not is_free(proto, "127.0.0.1", wanted.host_port)
        assert not is_free(proto, "::1", wanted.host_port)
        await agent.close(wanted)

    asyncio.run(work())


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces need root and ip"
)
def test_a_server_on_all_addresses_is_reached_in_a_guest_with_ipv6_disabled(tmp_path: Path) -> None:
    async def read(path: Path) -> bytes:
        async with (
            linked(path) as scene,
            asyncio.timeout(PATIENCE),
            scene.forward(8080, guest_ip="::") as port,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await reader.read()
            finally:
                writer.close()

    with network_namespace() as (name, _):
        prefix = ["ip", "netns", "exec", name]
        subprocess.run([*prefix, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"], check=True)
        served = [*prefix, sys.executable, "-c", DUAL_STACK_SERVER]
        with subprocess.Popen(served, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == b"ready\n"
                with program(tmp_path, prefix=prefix) as running:
                    assert asyncio.run(read(running.path)) == b"hi"
            finally:
                server.kill()
