# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest may do to the host's end of its channel: nothing but end it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.waiting import PATIENCE, until

from callao.config import effective
from callao.drivers import Forward
from callao.guest.frames import PROTOCOL, Decoder, FrameKind, StreamFrame, encode, encode_stream_frame
from callao.guest.streams.window import CREDIT_FORMAT, WINDOW
from callao.guest_network import USER_MODE
from callao.host import Host, HostUser
from callao.hostagent.channel import guest_link, stream_multiplexer
from callao.hostagent.channel.guest_link import GuestLink
from callao.hostagent.ports import live_ports
from callao.hostagent.ports.forwarders import AgentForwarder
from callao.hostagent.ports.live_ports import LivePorts
from callao.ports import WantedForward, any_free

HOST = Host("linux", "x86_64", 4, 8 * 2**30, HostUser("ann", 1000, "Ann", "/home/ann"), "")
CONFIG = effective({"images": [{"location": "/x"}]}, HOST, name="web", instance_dir=Path("/h/web"))


@dataclass
class Guest:
    """The far end of the channel, as bad as the test wants it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    decoder: Decoder = field(default_factory=Decoder)
    waiting: list[Any] = field(default_factory=list)

    async def next(self) -> Any:
        while not self.waiting:
            data = await self.reader.read(1 << 16)
            if not data:
                raise EOFError
            self.waiting += self.decoder.feed(data)
        return self.waiting.pop(0)

    async def greet(self) -> None:
        message = await self.next()
        self.say(type="hello", protocol=PROTOCOL, answer=message["id"])

    def say(self, **message: Any) -> None:
        self.writer.write(encode(message))

    def piece(self, kind: FrameKind, number: int, data: bytes = b"") -> None:
        self.writer.write(encode_stream_frame(kind, number, data))

    async def opened(self) -> int:
        """The number of the stream that the host opens next."""
        while not isinstance(piece := await self.next(), StreamFrame) or piece.kind is not FrameKind.OPEN:
            pass
        return piece.stream

    async def left(self) -> bool:
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                await self.next()
        return True


@dataclass
class Scene:
    link: GuestLink
    port: int
    guests: asyncio.Queue[Guest]

    async def guest(self) -> Guest:
        guest = await self.guests.get()
        await guest.greet()
        await until(lambda: self.link.connected)
        return guest


@contextlib.asynccontextmanager
async def scene(folder: Path, proto: str) -> AsyncIterator[Scene]:
    guests: asyncio.Queue[Guest] = asyncio.Queue()

    async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        guests.put_nowait(Guest(reader, writer))

    server = await asyncio.start_unix_server(come, folder / "ga.sock")
    link = GuestLink(partial(asyncio.open_unix_connection, folder / "ga.sock"), {})
    link.start()
    agent = AgentForwarder(link.multiplexer, folder)
    wanted = WantedForward(proto, "127.0.0.1", any_free(proto), "127.0.0.1", 80)
    await agent.open(wanted)
    yield Scene(link, wanted.host_port, guests)
    await agent.close(wanted)
    await link.close()
    server.close()


def play(folder: Path, work: Callable[[Scene], Awaitable[None]], proto: str = "tcp") -> None:
    async def run() -> None:
        async with scene(folder, proto) as found, asyncio.timeout(PATIENCE):
            await work(found)

    asyncio.run(run())


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_link, "_RECONNECT_DELAY", 0.01)


def more_than_granted(guest: Guest, number: int) -> None:
    """And than the kernel takes for a client that does not read."""
    for _ in range(1000):
        guest.piece(FrameKind.DATA, number, bytes(1 << 15))


def granted_more_than_sent(guest: Guest, number: int) -> None:
    guest.piece(FrameKind.CREDIT, number, CREDIT_FORMAT.pack(1))


def granted_nonsense(guest: Guest, number: int) -> None:
    guest.piece(FrameKind.CREDIT, number, b"\0")


def opened_by_the_guest(guest: Guest, number: int) -> None:
    guest.piece(FrameKind.OPEN, number)


def said_after_the_end(guest: Guest, number: int) -> None:
    guest.piece(FrameKind.END, number)
    guest.piece(FrameKind.DATA, number, b"more")


def no_frame(guest: Guest, _number: int) -> None:
    guest.writer.write(b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    "misdeed",
    [
        more_than_granted,
        granted_more_than_sent,
        granted_nonsense,
        opened_by_the_guest,
        said_after_the_end,
        no_frame,
    ],
)
def test_what_was_not_agreed_ends_the_channel_and_its_streams_and_the_next_serves(
    tmp_path: Path, misdeed: Callable[[Guest, int], None]
) -> None:
    async def work(found: Scene) -> None:
        guest = await found.guest()
        with socket.socket() as slow:  # reads nothing: what comes for it has to lie somewhere
            slow.setblocking(False)
            await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", found.port))
            misdeed(guest, await guest.opened())
            assert await guest.left()
        assert found.link.multiplexer.open_streams == 0
        again = await found.guest()
        reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
        number = await again.opened()
        again.piece(FrameKind.DATA, number, b"hi")
        again.piece(FrameKind.END, number)
        assert await reader.read() == b"hi"
        writer.close()

    play(tmp_path, work)


@pytest.mark.parametrize("kind", [FrameKind.CREDIT, FrameKind.OPEN])
def test_a_client_of_datagrams_is_no_different(tmp_path: Path, kind: FrameKind) -> None:
    async def work(found: Scene) -> None:
        guest = await found.guest()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"a", ("127.0.0.1", found.port))
            guest.piece(kind, await guest.opened())
            assert await guest.left()
        assert found.link.multiplexer.open_streams == 0

    play(tmp_path, work, "udp")


def test_what_is_for_no_stream_is_passed_over(tmp_path: Path) -> None:
    async def work(found: Scene) -> None:
        guest = await found.guest()
        for number in range(5000):
            guest.piece(random.choice(list(FrameKind)), number * 7919 % (1 << 32), b"1234")
        reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
        number = await guest.opened()
        guest.piece(FrameKind.DATA, number, b"hi")
        assert await reader.readexactly(2) == b"hi"
        writer.close()

    play(tmp_path, work)


def test_a_guest_that_says_hello_without_end_and_never_listens_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_link, "_MAX_UNREAD", 1 << 16)

    async def work(found: Scene) -> None:
        guest = await found.guest()
        hello = encode({"type": "hello", "protocol": PROTOCOL})
        with contextlib.suppress(ConnectionError):
            while True:
                guest.writer.write(hello * 1000)
                await guest.writer.drain()
        await found.guest()

    play(tmp_path, work)


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_well_formed_frames_does_no_harm(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)

    async def work(found: Scene) -> None:
        for _ in range(5):
            guest = await found.guest()
            clients = [await asyncio.open_connection("127.0.0.1", found.port) for _ in range(3)]
            numbers = [await guest.opened() for _ in clients]
            with contextlib.suppress(ConnectionError):
                for _ in range(300):
                    number = chance.choice([*numbers, chance.randrange(1 << 32)])
                    data = os.urandom(chance.choice([0, 4, 100, 1 << 15]))
                    guest.piece(chance.choice(list(FrameKind)), number, data)
                await guest.writer.drain()
            guest.writer.close()
            assert await guest.left()
            for _, writer in clients:
                writer.transport.abort()
        await found.guest()

    play(tmp_path, work)


MESSAGES: list[dict[str, Any]] = [
    {"type": "pong", "time": 10**4000},
    {"type": "pong", "time": True},
    {"type": ["pong"]},
    {"type": "listeners", "added": 1, "removed": {"a": 1}},
    {"type": "listeners", "added": [["tcp", "nowhere", 80], ["tcp", "::%eth0", 8080], [], [1, 2, 3], None]},
    {"type": "listeners", "added": [["tcp", "0.0.0.0", 10**30], ["sctp", "0.0.0.0", 80]]},
    {"type": "listeners", "added": [["tcp", "0.0.0.0", 8080, "socket", "more"]]},
    {"type": "exposed", "ports": [["tcp"], "ab", 5, None, ["tcp", "x"], [[], 1], ["tcp", -1]]},
    {"type": "listeners", "added": [["tcp", "0.0.0.0", True], ["tcp", "0.0.0.0", 8080.0]]},
    {"type": "exposed", "ports": 5},
    {"type": "exposed", "ports": [["tcp", True]]},
    {"type": "log", "message": ["x"]},
]


class Machine:
    def __init__(self, socket: Path) -> None:
        self.forwards: list[Forward] = []
        self.channel = partial(asyncio.open_unix_connection, socket)

    async def add_forward(self, forward: Forward) -> None:
        self.forwards.append(forward)

    async def remove_forward(self, forward: Forward) -> None:
        self.forwards.remove(forward)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: json.dumps(each)[:40])
def test_what_a_message_should_not_hold_is_left_out_and_the_next_is_understood(
    tmp_path: Path, message: dict[str, Any]
) -> None:
    machine: Any = Machine(tmp_path / "ga.sock")
    client: Any = None

    async def run() -> None:
        came: asyncio.Queue[Guest] = asyncio.Queue()

        async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.put_nowait(Guest(reader, writer))

        server = await asyncio.start_unix_server(come, tmp_path / "ga.sock")
        ports = LivePorts(
            machine,
            client,
            CONFIG,
            ssh_port=60022,
            network=USER_MODE,
            sockets=tmp_path,
            changed=lambda: None,
        )
        ports.start()
        await ports.open()
        guest = await came.get()
        await guest.greet()
        guest.say(**message)
        guest.say(type="listeners", added=[["tcp", "0.0.0.0", 9000]], removed=[])
        await until(lambda: 9000 in [each.guest_port for each in machine.forwards])
        await ports.close()
        server.close()

    asyncio.run(run())
    assert {each.guest_port for each in machine.forwards} <= {8080, 9000}


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ({"hears": True, "deaf": ""}, {"by": "events"}),
        ({"hears": False, "deaf": "lockdown"}, {"by": "looks", "why": "lockdown"}),
        ({}, {"by": "looks", "why": ""}),
        ({"hears": "yes", "deaf": 5}, {"by": "looks", "why": ""}),
        ({"hears": 1, "deaf": "\x1b]0;x\x07a" + "b" * 1000}, {"by": "looks", "why": "a" + "b" * 199}),
    ],
)
def test_how_listeners_are_found_is_told_within_bounds(said: dict[str, Any], known: dict[str, str]) -> None:
    assert live_ports._source(said) == known


def test_there_is_an_end_to_how_many_streams_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_multiplexer, "MAX_STREAMS", 3)

    async def work(found: Scene) -> None:
        guest = await found.guest()
        clients = [await asyncio.open_connection("127.0.0.1", found.port) for _ in range(4)]
        await until(lambda: found.link.multiplexer.open_streams == 3)
        with pytest.raises(ConnectionResetError):
            await clients[3][0].read()
        for _, writer in clients:
            writer.transport.abort()
        guest.writer.close()

    play(tmp_path, work)


def test_credit_without_end_is_remembered_once_a_stream(tmp_path: Path) -> None:
    async def work(found: Scene) -> None:
        guest = await found.guest()
        clients = [await asyncio.open_connection("127.0.0.1", found.port) for _ in range(4)]
        numbers = [await guest.opened() for _ in clients]
        for _, writer in clients:
            writer.write(bytes(WINDOW))
        await until(lambda: found.link.multiplexer.streams_paused)
        for _ in range(20):
            for number in numbers:
                guest.writer.write(
                    encode_stream_frame(FrameKind.CREDIT, number, CREDIT_FORMAT.pack(0)) * 100
                )
            await guest.writer.drain()
        guest.piece(FrameKind.RESET, numbers[0])
        await until(lambda: found.link.multiplexer.open_streams == 3)  # all before it has been read
        assert len(found.link.multiplexer._drain_callbacks) == 3
        for _, writer in clients:
            writer.transport.abort()

    play(tmp_path, work)
