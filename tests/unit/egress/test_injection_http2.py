# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/2 requests to a real TLS server by way of the relay, which puts secrets into them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from egress.http2_ends import Client, End, Http2Server, Serve
from egress.injection_stage import SECOND, TOKEN, VALUE, Stage, play
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import SettingsFrame

Scene = Callable[[Stage, Http2Server], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture
def on_stage(tmp_path: Path) -> Run:
    def run(scene: Scene, serve: Serve | None = None) -> None:
        made: list[Http2Server] = []

        def prepare(stage: Stage) -> None:
            made.append(Http2Server(stage, serve))

        play(tmp_path, lambda stage: scene(stage, made[0]), prepare)

    return run


@contextlib.asynccontextmanager
async def client_of(stage: Stage, *, reads: bool = True) -> AsyncIterator[Client]:
    async with stage.connection() as streams:
        assert streams[1].get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        yield Client(streams, stage, reads=reads)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_a_placeholder_in_a_compressed_header_becomes_the_value(on_stage: Run) -> None:
    async def scene(stage: Stage, server: Http2Server) -> None:
        async with client_of(stage) as client:
            basic = b"Basic " + base64.b64encode(b"git:" + TOKEN)
            headers = [
                (b"authorization", b"Bearer " + TOKEN),
                (b"x-key", TOKEN),
                (b"x-basic", basic),
                (b"te", b"trailers"),
            ]
            for _ in range(2):  # the second time they are numbers in the table of headers
                answer = await client.answer(*headers, path=b"/a?b")
                assert answer.status == 200
                assert answer.trailers == {b"x-sum": b"1"}
                assert b"alt-svc" not in answer.headers
            stage.inject(b"rotated")
            await client.answer(*headers)
        for request, value in zip(server.requests, (VALUE, VALUE, b"rotated"), strict=True):
            assert request.headers[b"authorization"] == b"Bearer " + value
            assert request.headers[b"x-key"] == value
            assert request.headers[b"x-basic"] == b"Basic " + base64.b64encode(b"git:" + value)
            assert request.headers[b"te"] == b"trailers"
        assert [each.headers[b":path"] for each in server.requests] == [b"/a?b", b"/a?b", b"/"]
        assert stage.refused() == []

    on_stage(scene)


def test_what_is_misplaced_or_for_another_host_is_refused_and_the_connection_goes_on(on_stage: Run) -> None:
    async def scene(stage: Stage, server: Http2Server) -> None:
        async with client_of(stage) as client:
            for reason, status, headers, pseudo in (
                ("in a URL", 403, (), {"path": b"/?q=" + TOKEN}),
                ("in the name of a header", 403, ((TOKEN, b"1"),), {}),
                ("a server that does not get it", 403, ((b"a", SECOND),), {}),
                ("the Host of the request is not", 421, ((b"a", TOKEN),), {"authority": b"evil.example"}),
                ("the Host of the request is not", 421, ((b"host", b"evil.example"),), {"authority": b""}),
                ("the request's target is not a path", 400, (), {"path": b"https://evil.example/"}),
                ("the request's scheme is not https", 400, (), {"scheme": b"http"}),
                ("a body of 5 bytes, and has none", 400, ((b"content-length", b"5"),), {}),
                ("two lengths", 400, ((b"content-length", b"0"), (b"content-length", b"0")), {}),
                ("the method TRACE", 405, ((b"a", TOKEN),), {"method": b"TRACE"}),
                ("the method CONNECT", 405, (), {"method": b"CONNECT", "path": b"", "scheme": b""}),
                ("the method CONNECT", 405, (), {"method": b"CONNECT", "protocol": b"websocket"}),
            ):
                answer = await client.answer(*headers, **pseudo)
                assert (answer.status, answer.ended) == (status, True), reason
                assert reason in stage.refused()[0]
            half = len(TOKEN) // 2
            for parts, trailers, reason in (
                ((b"1234" + TOKEN[:half], TOKEN[half:] + b"5678"), [], "in the body"),
                ((b"1234",), [(b"x", TOKEN)], "in a trailer"),
            ):
                stream = client.begin(ends=False, method=b"POST")
                for part in parts:
                    client.http.send_data(stream, part)
                    await client.send()
                if trailers:
                    client.http.send_headers(stream, trailers, end_stream=True)
                answer = (await client.answers([stream]))[0]
                assert answer.status == 403
                assert reason in stage.refused()[0]
            assert (await client.answer((b"a", TOKEN))).status == 200
        whole = [each for each in server.requests if each.ended]
        assert [each.headers.get(b"a") for each in whole] == [VALUE]
        assert all(TOKEN not in each.body for each in server.requests)

    on_stage(scene)


@pytest.mark.parametrize(
    "headers",
    [
        ((b"transfer-encoding", b"chunked"),),
        ((b"connection", b"x-key"),),
        ((b"x", b"1\r\nhost: evil.example"),),
        ((b"X-Upper", b"1"),),
        ((b"x: 1\r\nhost", b"evil.example"),),
        ((b":path", b"/other"),),
        ((b"host", b"evil.example"),),
        ((b"content-length", b"5"), (b"content-length", b"6")),
    ],
)
def test_a_request_that_could_be_read_in_two_ways_ends_the_connection(
    on_stage: Run, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    async def scene(stage: Stage, server: Http2Server) -> None:
        async with client_of(stage) as client:
            answer = await client.answer((b"a", TOKEN), *headers)
            assert answer.status == 0
            assert client.error == ErrorCodes.PROTOCOL_ERROR
        assert "not valid HTTP/2" in stage.refused()[0]
        assert server.requests == []

    on_stage(scene)


def test_a_hundred_streams_pass_beside_one_that_nobody_reads(on_stage: Run) -> None:
    async def scene(stage: Stage, server: Http2Server) -> None:
        body = bytes(range(256)) * 1024
        async with client_of(stage) as client:
            client.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
            await client.send()
            stalled = client.begin(ends=False, method=b"POST")
            await client.send_body(stalled, body)
            client.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
            streams = [client.begin((b"a", TOKEN), path=b"/%d" % each) for each in range(98)]
            streams.append(client.begin(ends=False, method=b"POST"))
            client.http.increment_flow_control_window(1 << 24)
            await client.send_body(streams[-1], body)
            answers = await client.answers(streams)
            assert [each.headers[b"x-path"] for each in answers[:98]] == [
                b"/%d" % each for each in range(98)
            ]
            assert answers[-1].body == body
            assert (await client.answers([stalled]))[0].body == body
        assert sum(each.headers.get(b"a") == VALUE for each in server.requests) == 98

    on_stage(scene)


def test_a_stream_that_one_side_resets_ends_on_the_other(on_stage: Run) -> None:
    async def serve(_server: Http2Server, end: End, stream: int) -> None:
        path = end.messages[stream].headers[b":path"]
        if path == b"/reset":
            end.http.reset_stream(stream, ErrorCodes.ENHANCE_YOUR_CALM)
        elif path == b"/early":  # the whole answer before the whole request, and no wish for the rest
            end.http.send_headers(stream, [(b":status", b"413")])
            end.http.send_data(stream, b"too much", end_stream=True)
            end.http.reset_stream(stream, ErrorCodes.NO_ERROR)
        await end.send()

    async def scene(stage: Stage, server: Http2Server) -> None:
        async with client_of(stage) as client:
            assert (await client.answer(path=b"/reset")).reset == ErrorCodes.ENHANCE_YOUR_CALM
            early = (await client.answers([client.begin(ends=False, method=b"POST", path=b"/early")]))[0]
            assert (early.status, early.body) == (413, b"too much")
            waiting = client.begin(path=b"/wait")
            await client.send()
            await until(lambda: len(server.requests) == 3)
            client.http.reset_stream(waiting, ErrorCodes.CANCEL)
            await client.send()
            await until(lambda: server.requests[-1].reset == ErrorCodes.CANCEL)

    on_stage(scene, serve)


def test_a_server_that_goes_away_finishes_what_it_has_begun(on_stage: Run) -> None:
    async def serve(server: Http2Server, end: End, stream: int) -> None:
        first = min(end.messages)
        if stream != first:
            frame = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + first.to_bytes(4, "big") + bytes(4)
            end.writer.write(end.http.data_to_send() + frame)
            end.http.send_headers(first, [(b":status", b"200")])
            await end.send()
            await end.send_body(first, b"finished")

    async def scene(stage: Stage, server: Http2Server) -> None:
        async with client_of(stage) as client:
            begun, late = await client.answers([client.begin(), client.begin()])
            assert (begun.status, begun.body) == (200, b"finished")
            assert late.reset == ErrorCodes.REFUSED_STREAM
            while not client.has_ended:
                await client.receive()
            assert client.last_stream is not None
        assert stage.refused() == []

    on_stage(scene, serve)


async def _reset_at_once(client: Client) -> None:
    for _ in range(500):
        client.http.reset_stream(client.begin(), ErrorCodes.CANCEL)
    await client.send()


async def _change_settings(client: Client) -> None:
    await client.send()
    for each in range(200):
        frame = SettingsFrame(0, {SettingsFrame.HEADER_TABLE_SIZE: 1 << 30 if each % 2 else 0})
        client.writer.write(frame.serialize())
    await client.writer.drain()


async def _send_many_headers(client: Client) -> None:
    """Each is one byte on the wire."""
    client.begin((b"x", b"y" * 3000), *((b"x", b"y" * 3000) for _ in range(1000)))
    await client.send()


@pytest.mark.parametrize("attack", [_reset_at_once, _change_settings, _send_many_headers])
def test_a_flood_ends_the_connection(on_stage: Run, attack: Callable[[Client], Awaitable[None]]) -> None:
    async def scene(stage: Stage, server: Http2Server) -> None:
        async with client_of(stage) as client:
            await attack(client)
            while not client.has_ended:
                await client.receive()
        assert client.error in (ErrorCodes.ENHANCE_YOUR_CALM, ErrorCodes.PROTOCOL_ERROR)
        assert "not valid HTTP/2" in stage.refused()[0]
        assert len(server.requests) <= 300

    on_stage(scene)


def test_what_nobody_reads_does_not_pile_up(on_stage: Run) -> None:
    """The server's windows close, as the guest does not open its own."""
    sent: dict[int, int] = {}

    async def serve(_server: Http2Server, end: End, stream: int) -> None:
        end.http.send_headers(stream, [(b":status", b"200")])
        sent[stream] = 0
        while (size := min(end.http.local_flow_control_window(stream), 1 << 14)) > 0:
            end.http.send_data(stream, bytes(size))
            sent[stream] += size
            await end.send()

    async def scene(stage: Stage, server: Http2Server) -> None:
        async with client_of(stage, reads=False) as client:
            client.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
            streams = [client.begin() for _ in range(100)]
            await client.send()
            while not all(client.messages.get(each) and client.messages[each].headers for each in streams):
                await client.receive()
        assert sum(sent.values()) <= 100 * (1 << 16)

    on_stage(scene, serve)


def test_beyond_a_number_of_connections_http_1_is_agreed_on(on_stage: Run) -> None:
    async def scene(stage: Stage, server: Http2Server) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(16):
                await stack.enter_async_context(client_of(stage))
            _, writer = await stack.enter_async_context(stage.connection())
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2"

    on_stage(scene)
