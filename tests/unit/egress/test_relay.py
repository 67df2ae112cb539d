# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections by way of the relay, to servers on this host's loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from egress.hello import client_hello, in_records

from callao.egress import Policy, relay
from callao.egress.pins import Pins
from callao.egress.refusals import Refusals
from callao.egress.relay import Relay
from callao.guest_network import USER_MODE

HOST = IPv4Address(USER_MODE.gateway)
HELLO = client_hello("good.example")


class Stage:
    """A relay, and a server that sends back what it gets, which says who it is where it ``greets``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.policy = self.rules(f"good.example:{port}")
        self.pins = Pins()
        self.pins.add("good.example", HOST)
        self.pins.add("bad.example", HOST)
        self.refusals = Refusals(Path("/nonexistent/egress.log"))
        self.closed: list[int] = []
        self.relay = Relay(
            lambda: self.policy, self.pins, self.refusals, lambda *which: self.closed.append(which[2])
        )

    @staticmethod
    def rules(*allow: str) -> Policy:
        return Policy.of(allow, USER_MODE.subnet, USER_MODE.gateway)

    async def says(self, *parts: bytes) -> bytes:
        """What a client gets that sends these parts and its end; empty where it is cut off."""
        reader, writer = await self.connect()
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0)
        with contextlib.suppress(OSError):
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            return answer
        return b""

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.relay.listen(HOST, self.port))

    def reasons(self) -> set[object]:
        return {each["reason"] for each in self.refusals.listed()}


def on_stage(test: Callable[[Stage], Awaitable[None]], greeting: bytes = b"") -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        stage = Stage(server.sockets[0].getsockname()[1])
        try:
            async with asyncio.timeout(30):
                await test(stage)
        finally:
            await stage.relay.close()
            server.close()

    asyncio.run(run())


def test_tls_for_the_pinned_name_passes_whole() -> None:
    async def test(stage: Stage) -> None:
        load = bytes(range(256)) * 4096
        assert await stage.says(HELLO, load) == HELLO + load
        assert await stage.says(in_records(HELLO, 50)[:70], in_records(HELLO, 50)[70:])
        assert not stage.reasons()

    on_stage(test)


@pytest.mark.parametrize("name", ["bad.example", "other.example", None])
def test_tls_for_another_name_reaches_nobody(name: str | None) -> None:
    async def test(stage: Stage) -> None:
        hello = client_hello(name)
        assert await stage.says(hello) == b""
        assert await stage.says(*[bytes([each]) for each in in_records(hello, 1)[:50]], hello) == b""
        assert stage.refusals.total == 2

    on_stage(test)


def test_a_server_that_speaks_first_is_heard() -> None:
    async def test(stage: Stage) -> None:
        reader, writer = await stage.connect()
        assert await reader.readexactly(7) == b"SSH-2.0"
        writer.write(b"SSH-2.1")
        assert await reader.readexactly(7) == b"SSH-2.1"
        writer.close()

    on_stage(test, greeting=b"SSH-2.0")


def test_where_tls_is_expected_nothing_else_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(stage: Stage) -> None:
        monkeypatch.setattr(relay, "_HTTPS", stage.port)
        assert await stage.says(b"SSH-2.0\r\n") == b""
        assert await stage.says() == b""
        assert await stage.says(HELLO) == HELLO

    on_stage(test)


def test_http_is_checked_by_its_host_and_ends_after_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(stage: Stage) -> None:
        monkeypatch.setattr(relay, "_HTTP", stage.port)
        request = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"
        assert await stage.says(request % b"bad.example") == b""
        assert b"Connection: close" in await stage.says(
            (request % b"good.example")[:9], request[9:] % b"good.example"
        )
        assert [each["name"] for each in stage.refusals.listed()] == ["bad.example"]

    on_stage(test)


def test_a_hello_in_too_many_pieces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(stage: Stage) -> None:
        monkeypatch.setattr(relay, "_HTTPS", stage.port)
        reader, writer = await stage.connect()
        with contextlib.suppress(OSError):
            for byte in HELLO[:200]:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.001)
            await reader.read()
        assert stage.reasons() == {"it names a server in too many pieces"}

    on_stage(test)


def test_other_rules_end_what_they_do_not_allow() -> None:
    async def test(stage: Stage) -> None:
        reader, writer = await stage.connect()
        writer.write(HELLO)
        await reader.readexactly(len(HELLO))
        stage.policy = stage.rules(f"good.example:{stage.port}", "more.example")
        stage.relay.end_disallowed()
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        stage.policy = stage.rules(f"bad.example:{stage.port}")
        stage.relay.end_disallowed()
        with contextlib.suppress(OSError):
            assert await reader.read() == b""
        assert await stage.says(HELLO) == b""

    on_stage(test)


def test_an_address_of_no_allowed_name_has_no_listener() -> None:
    async def test(stage: Stage) -> None:
        assert stage.relay.listen(IPv4Address("93.184.216.34"), stage.port) == 0
        assert stage.relay.listen(HOST, stage.port + 1) == 0

    on_stage(test)


def test_listeners_without_connections_make_place_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_MOST_LISTENERS", 3)

    async def test(stage: Stage) -> None:
        stage.policy = stage.rules("good.example:*")
        _, writer = await stage.connect()
        writer.write(HELLO)
        await asyncio.sleep(0.05)
        ports = [stage.relay.listen(HOST, port) for port in range(1, 6)]
        assert all(ports)
        assert stage.closed == ports[:3]
        writer.close()

    on_stage(test)
