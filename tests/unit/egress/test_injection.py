# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a real TLS server by way of the relay, which puts secrets into them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from egress.injection_stage import HOST, NAME, SECOND, TOKEN, VALUE, Act, Stage, play

from callao.egress.inject import Injection
from callao.egress.inject.authority import Authority
from callao.egress.inject.substitution import placeholder_of
from callao.secrets import SecretValue


@pytest.fixture
def on_stage(tmp_path: Path) -> Callable[[Act], None]:
    return lambda act: play(tmp_path, act)


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


def test_a_request_after_the_server_has_ended_an_idle_connection_is_answered(
    on_stage: Callable[[Act], None],
) -> None:
    async def act(stage: Stage) -> None:
        async with stage.connection() as (reader, writer):
            writer.write(stage.head(b"A: " + TOKEN))
            assert b"HTTP/1.1 200" in await reader.readuntil(b"0\r\n\r\n")
            for each in stage.server.writers:
                each.close()
                await each.wait_closed()
            writer.write(stage.head(b"A: " + TOKEN, CLOSE))
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
        assert len(stage.server.writers) == 2

    on_stage(act)
