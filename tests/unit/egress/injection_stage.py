# SPDX-License-Identifier: GPL-3.0-or-later
"""A relay that puts secrets into requests, a TLS server behind it, and a client that trusts it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import h11

from callao.egress import Policy
from callao.egress.inject import Injection
from callao.egress.inject.authority import Authority
from callao.egress.inject.injector import Injector
from callao.egress.inject.substitution import placeholder_of
from callao.egress.pins import Pins
from callao.egress.refusals import Attempt, Refusals
from callao.egress.relay import Relay
from callao.guest_network import USER_MODE
from callao.secrets import SecretValue

NAME = "api.good.example"
OTHER = "other.example"
HOST = IPv4Address(USER_MODE.gateway)
TOKEN, SECOND = placeholder_of(b"key", "TOKEN"), placeholder_of(b"key", "SECOND")
VALUE = b"hunter2 " + SECOND
"""With the placeholder of another secret in it, which must stay."""


@dataclass
class Server:
    """Answers each request with what it has got of it; ``bodies`` has the bodies."""

    authority: Authority
    requests: list[h11.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    server: asyncio.Server | None = None

    async def start(self) -> int:
        context = self.authority.server_context(NAME)
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with contextlib.suppress(OSError, h11.ProtocolError):
            await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http, body = h11.Connection(h11.SERVER), bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                if http.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    writer.write(http.send(go_on) or b"")
                data = await reader.read(1 << 16)
                self.raw += data
                http.receive_data(data)
            elif isinstance(event, h11.Request):
                self.requests.append(event)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.bodies.append(bytes(body))
                body.clear()
                if dict(self.requests[-1].headers).get(b"upgrade") == b"websocket":
                    switch = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
                    writer.write(
                        http.send(h11.InformationalResponse(status_code=101, headers=switch)) or b""
                    )
                    while data := await reader.read(1 << 16):
                        writer.write(data[::-1])
                    return
                response = h11.Response(status_code=200, headers=[("Alt-Svc", 'h3=":443"')])
                for each in (response, h11.Data(data=b"the "), h11.Data(data=b"answer"), h11.EndOfMessage()):
                    writer.write(http.send(each) or b"")
                if http.our_state is h11.MUST_CLOSE:
                    return
                http.start_next_cycle()
            else:
                return


class Stage:
    def __init__(self, folder: Path) -> None:
        for each in ("guest", "servers"):
            (folder / each).mkdir(mode=0o700)
        self.folder = folder
        self.authority = Authority.of(folder / "guest")
        self.server = Server(Authority.of(folder / "servers"))
        self.start_server: Callable[[], Awaitable[int]] = self.server.start
        self.ca_file = folder / "servers.pem"
        self.ca_file.write_text(self.server.authority.pem)
        self.refusals = Refusals(Path("/nonexistent/egress.log"))

    async def open(self) -> None:
        self.port = await self.start_server()
        self.policy = Policy.of(
            [f"{NAME}:{self.port}", f"{OTHER}:1-65535"], USER_MODE.subnet, USER_MODE.gateway
        )
        pins = Pins()
        for name in (NAME, OTHER):
            pins.add(name, HOST)
        self.relay = Relay(lambda: self.policy, pins, self.refusals, lambda *_: None)
        self.relay.injector = Injector(
            lambda: self.authority,
            lambda reason, address, port, name: self.refusals.add(
                Attempt("secret", reason, str(address), port, name)
            ),
        )
        self.inject()

    def inject(self, value: bytes | None = VALUE, ca_file: str | None = None) -> None:
        authorities = str(self.ca_file) if ca_file is None else ca_file
        secret = SecretValue(value) if value is not None else None
        assert self.relay.injector is not None
        self.relay.injector.replace(
            [
                Injection("TOKEN", TOKEN, frozenset({(NAME, self.port)}), secret, authorities),
                Injection("SECOND", SECOND, frozenset({(OTHER, self.port)}), SecretValue(b"second")),
            ]
        )

    @contextlib.asynccontextmanager
    async def connection(
        self, name: str = NAME, protocols: Sequence[str] = ("h2", "http/1.1")
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        context = ssl.create_default_context(cadata=self.authority.pem)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.set_alpn_protocols(list(protocols))
        port = self.relay.listen(HOST, self.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def says(self, *parts: bytes, name: str = NAME) -> bytes:
        """All that comes back for these parts."""
        async with self.connection(name) as (reader, writer):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            with contextlib.suppress(OSError):
                return await reader.read()
        return b""

    def head(self, *lines: bytes, method: bytes = b"GET", target: bytes = b"/") -> bytes:
        host = b"Host: %b:%d" % (NAME.encode(), self.port)
        return b"\r\n".join([b"%b %b HTTP/1.1" % (method, target), host, *lines, b"", b""])

    def sent(self) -> dict[bytes, bytes]:
        return {bytes(name): bytes(value) for name, value in self.server.requests[-1].headers}

    def refused(self) -> list[str]:
        return [str(each["reason"]) for each in self.refusals.listed()]

    async def close(self) -> None:
        await self.relay.close()
        if self.server.server is not None:
            self.server.server.close()


Act = Callable[[Stage], Awaitable[None]]


def play(folder: Path, act: Act, prepare: Callable[[Stage], None] = lambda _stage: None) -> None:
    """Run ``act`` on a stage that is closed after it. ``prepare`` may put another server behind it."""

    async def whole() -> None:
        stage = Stage(folder)
        prepare(stage)
        await stage.open()
        try:
            async with asyncio.timeout(30):
                await act(stage)
        finally:
            await stage.close()

    asyncio.run(whole())
