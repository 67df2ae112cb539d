# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a real TLS server by way of the relay, which puts secrets into them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import h11
import pytest

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
    server: asyncio.Server | None = None

    async def start(self) -> int:
        context = self.authority.server_context(NAME)
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        self.ca_file = folder / "servers.pem"
        self.ca_file.write_text(self.server.authority.pem)
        self.refusals = Refusals(Path("/nonexistent/egress.log"))

    async def open(self) -> None:
        self.port = await self.server.start()
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
        self, name: str = NAME
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        context = ssl.create_default_context(cadata=self.authority.pem)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.set_alpn_protocols(["h2", "http/1.1"])
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
        assert self.server.server is not None
        self.server.server.close()


Act = Callable[[Stage], Awaitable[None]]


@pytest.fixture
def on_stage(tmp_path: Path) -> Callable[[Act], None]:
    def run(act: Act) -> None:
        async def play() -> None:
            stage = Stage(tmp_path)
            await stage.open()
            try:
                async with asyncio.timeout(30):
                    await act(stage)
            finally:
                await stage.close()

        asyncio.run(play())

    return run


CLOSE = b"Connection: close"


def test_a_placeholder_in_a_header_becomes_the_value_and_no_more(on_stage: Callable[[Act], None]) -> None:
    async def act(stage: Stage) -> None:
        basic = base64.b64encode(b"git:" + TOKEN)
        head = stage.head(b"Authorization: Bearer " + TOKEN, b"X: " + TOKEN, b"P: Basic " + basic, CLOSE)
        for parts in ((head,), (head[:60], head[60:90], head[90:])):
            answer = await stage.says(*parts)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"alt-svc" not in answer.lower()
            sent = stage.sent()
            assert sent[b"authorization"] == b"Bearer " + VALUE
            assert sent[b"x"] == VALUE
            assert sent[b"p"] == b"Basic " + base64.b64encode(b"git:" + VALUE)
        assert stage.refused() == []

    on_stage(act)


def test_requests_of_one_connection_uploads_and_trailers_pass(on_stage: Callable[[Act], None]) -> None:
    async def act(stage: Stage) -> None:
        big = bytes(range(256)) * 4096
        async with stage.connection() as (reader, writer):
            tls = writer.get_extra_info("ssl_object")
            assert tls.selected_alpn_protocol() == "http/1.1"
            writer.write(
                stage.head(b"Content-Length: %d" % len(big), b"Expect: 100-continue", method=b"PUT")
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
            writer.write(big)
            assert b"HTTP/1.1 200" in await reader.readuntil(b"0\r\n\r\n")
            writer.write(stage.head(b"Transfer-Encoding: chunked", method=b"POST"))
            writer.write(b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 1\r\n\r\n")
            assert b"HTTP/1.1 200" in await reader.readuntil(b"0\r\n\r\n")
            stage.inject(b"rotated")
            writer.write(stage.head(b"A: " + TOKEN, CLOSE))
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
        assert stage.server.bodies == [big, b"abcdefg", b""]
        assert stage.sent()[b"a"] == b"rotated"

    on_stage(act)


def test_a_websocket_passes(on_stage: Callable[[Act], None]) -> None:
    async def act(stage: Stage) -> None:
        async with stage.connection() as (reader, writer):
            writer.write(
                stage.head(b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", b"A: " + TOKEN)
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            writer.write(b"abc")
            assert await reader.readexactly(3) == b"cba"
        assert stage.sent()[b"a"] == VALUE

    on_stage(act)


def misplaced(stage: Stage) -> dict[str, tuple[bytes, ...]]:
    """What is refused, by the reason."""
    half = len(TOKEN) // 2
    upload = stage.head(b"Content-Length: %d" % (len(TOKEN) + 8), method=b"POST")
    return {
        "in a URL": (stage.head(target=b"/?q=" + TOKEN),),
        "in the body": (upload + b"1234" + TOKEN[:half], TOKEN[half:] + b"5678"),
        "in a trailer": (
            stage.head(b"Transfer-Encoding: chunked", method=b"POST") + b"0\r\nX: " + TOKEN + b"\r\n\r\n",
        ),
        "in the name of a header": (stage.head(TOKEN + b": 1"),),
        "a server that does not get it": (stage.head(b"A: " + SECOND),),
        "the Host of the request is not": (
            b"GET / HTTP/1.1\r\nHost: evil.example\r\nA: " + TOKEN + b"\r\n\r\n",
        ),
        "the request's target is not a path": (stage.head(target=b"https://evil.example/"),),
        "the method TRACE": (stage.head(b"A: " + TOKEN, method=b"TRACE"),),
        "two lengths": (
            stage.head(b"Content-Length: 5", b"Transfer-Encoding: chunked", method=b"POST") + b"0\r\n\r\n",
        ),
        "not valid HTTP/1.1": (
            stage.head(b"Content-Length: 5", b"Content-Length: 6", method=b"POST") + b"hello",
        ),
    }


def test_a_placeholder_anywhere_else_and_an_ambiguous_request_are_refused_and_listed(
    on_stage: Callable[[Act], None],
) -> None:
    async def act(stage: Stage) -> None:
        for reason, parts in misplaced(stage).items():
            answer = await stage.says(*parts)
            assert b"200" not in answer.partition(b"\r\n")[0], reason
            assert reason in stage.refused()[0]
        assert TOKEN not in stage.server.raw
        assert VALUE not in stage.server.raw

    on_stage(act)


def test_folded_headers_bare_newlines_and_smuggled_requests_get_no_value_to_another_host(
    on_stage: Callable[[Act], None],
) -> None:
    async def act(stage: Stage) -> None:
        host = b"Host: %b:%d" % (NAME.encode(), stage.port)
        for head in (
            stage.head(b"A: callao-\r\n " + TOKEN, CLOSE),
            b"GET / HTTP/1.1\n" + host + b"\nA: " + TOKEN + b"\nConnection: close\n\n",
            stage.head(b"Content-Length : 5", b"A: " + TOKEN, CLOSE),
            stage.head(b"Transfer-Encoding: chunked, identity", CLOSE),
            stage.head(b"Host: evil.example", CLOSE),
            b"GET / HTTP/1.0\r\nA: " + TOKEN + b"\r\n\r\n",
            stage.head(b"Content-Length: 0", CLOSE) + stage.head(b"A: " + TOKEN),
        ):
            await stage.says(head)
        for request in stage.server.requests:
            names = [name for name, _ in request.headers]
            assert names.count(b"host") == 1
            assert dict(request.headers)[b"host"].startswith(NAME.encode())
            assert all(b"\n" not in value for _, value in request.headers)

    on_stage(act)


def test_a_server_that_is_not_verified_gets_nothing(on_stage: Callable[[Act], None]) -> None:
    async def act(stage: Stage) -> None:
        stage.inject(ca_file="")
        assert (await stage.says(stage.head(b"A: " + TOKEN))).startswith(b"HTTP/1.1 502")
        assert stage.server.requests == []
        assert "the server's TLS is not valid" in stage.refused()[0]
        stage.inject(None)
        assert (await stage.says(stage.head(b"A: " + TOKEN))).startswith(b"HTTP/1.1 403")
        assert "the host has no value for it" in stage.refused()[0]

    on_stage(act)


def test_a_guest_that_does_not_trust_the_authority_is_told_in_the_list(
    on_stage: Callable[[Act], None],
) -> None:
    async def act(stage: Stage) -> None:
        port = stage.relay.listen(HOST, stage.port)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                "127.0.0.1", port, ssl=ssl.create_default_context(), server_hostname=NAME
            )
        async with asyncio.timeout(5):
            while not stage.refused():
                await asyncio.sleep(0.01)
        assert "does not trust the instance's certificate" in stage.refused()[0]
        assert stage.server.requests == []

    on_stage(act)


def test_in_the_open_no_placeholder_leaves_the_host(on_stage: Callable[[Act], None]) -> None:
    async def act(stage: Stage) -> None:
        heard, began = bytearray(), asyncio.Event()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1 << 16):
                heard.extend(data)
                began.set()
            writer.close()

        plain = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = plain.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.relay.listen(HOST, port))
        writer.write(b"LOGIN " + TOKEN[:20])
        await began.wait()
        writer.write(TOKEN[20:] + b" and more")
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        plain.close()
        assert TOKEN not in heard
        assert stage.refused() == ["secret TOKEN: its placeholder was sent in the open"]

    on_stage(act)


def test_other_servers_are_not_listened_in_on(on_stage: Callable[[Act], None]) -> None:
    """The server's own certificate arrives at the guest."""

    async def act(stage: Stage) -> None:
        assert stage.relay.injector is not None
        stage.relay.injector.replace(
            [Injection("TOKEN", TOKEN, frozenset({("elsewhere.example", stage.port)}), SecretValue(VALUE))]
        )
        with pytest.raises(ssl.SSLCertVerificationError):
            await stage.says(stage.head(CLOSE))
        context = ssl.create_default_context(cafile=str(stage.ca_file))
        port = stage.relay.listen(HOST, stage.port)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=NAME)
        writer.close()

    on_stage(act)


def test_an_authority_lasts_and_its_key_is_its_users_alone(tmp_path: Path) -> None:
    first, again = Authority.of(tmp_path), Authority.of(tmp_path)
    assert first.pem == again.pem
    assert first.private_bytes() == again.private_bytes()
    assert (tmp_path / "egress-ca.pem").stat().st_mode & 0o777 == 0o600
    assert placeholder_of(first.private_bytes(), "A") != placeholder_of(first.private_bytes(), "B")
    again.server_context(NAME)
    assert [each.name for each in tmp_path.iterdir()] == ["egress-ca.pem"]
