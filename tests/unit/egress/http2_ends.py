# SPDX-License-Identifier: GPL-3.0-or-later
"""A client and a server of HTTP/2, which tests can have do what real ones do not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from egress.injection_stage import NAME, Stage
from h2.config import H2Configuration
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from callao.egress.inject.http2_peer import Connection

Pairs = list[tuple[bytes, bytes]]


@dataclass
class Message:
    """A request, or an answer."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    trailers: dict[bytes, bytes] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers.get(b":status", b"0"))


class End:
    """One end of a connection. ``reads`` says whether bodies are acknowledged at once."""

    def __init__(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        *,
        is_client: bool,
        reads: bool = True,
    ) -> None:
        # What is not valid is to be sent, and what comes to be looked at by the tests.
        self.http = Connection(
            H2Configuration(
                client_side=is_client, validate_outbound_headers=False, normalize_outbound_headers=False
            )
        )
        self.reader, self.writer = streams
        self.reads = reads
        self.messages: dict[int, Message] = {}
        self.last_stream: int | None = None
        """Of GOAWAY."""
        self.error = 0
        self.has_ended = False

    async def send(self) -> None:
        self.writer.write(self.http.data_to_send())
        await self.writer.drain()

    async def receive(self) -> list[Event]:
        data = b""
        with contextlib.suppress(OSError):
            data = await self.reader.read(1 << 18)
        self.has_ended = not data
        if not data:
            return []
        events = self.http.receive_data(data)
        for event in events:
            self._note(event)
        with contextlib.suppress(OSError):
            await self.send()
        return events

    def _note(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.last_stream, self.error = event.last_stream_id, int(event.error_code or 0)
        number = getattr(event, "stream_id", None)
        if not number:
            return
        message = self.messages.setdefault(number, Message())
        if isinstance(event, RequestReceived | ResponseReceived):
            message.headers = {bytes(name): bytes(value) for name, value in event.headers}
        elif isinstance(event, TrailersReceived):
            message.trailers = {bytes(name): bytes(value) for name, value in event.headers}
        elif isinstance(event, DataReceived):
            message.body += event.data
            if self.reads:
                self.http.acknowledge_received_data(event.flow_controlled_length, number)
        elif isinstance(event, StreamEnded):
            message.ended = True
        elif isinstance(event, StreamReset):
            message.reset = int(event.error_code or 0)

    async def send_body(self, stream: int, body: bytes, *, trailers: Pairs | None = None) -> None:
        """Waits for the windows."""
        view = memoryview(body)
        while view:
            size = min(self.http.local_flow_control_window(stream), self.http.max_outbound_frame_size)
            if size <= 0:
                await self.receive()
                continue
            self.http.send_data(stream, view[:size], end_stream=False)
            view = view[size:]
            await self.send()
        if trailers is None:
            self.http.end_stream(stream)
        else:
            self.http.send_headers(stream, trailers, end_stream=True)
        await self.send()


class Client(End):
    """Of the guest. ``authority`` is what its requests are for."""

    def __init__(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        stage: Stage,
        *,
        reads: bool = True,
    ) -> None:
        super().__init__(streams, is_client=True, reads=reads)
        self.authority = b"%b:%d" % (NAME.encode(), stage.port)
        self.http.initiate_connection()

    def begin(self, *headers: tuple[bytes, bytes], ends: bool = True, **pseudo: bytes) -> int:
        """Begin a request; returns its stream."""
        stream = self.http.get_next_available_stream_id()
        first = {"method": b"GET", "scheme": b"https", "authority": self.authority, "path": b"/", **pseudo}
        lines = [(b":" + name.encode(), value) for name, value in first.items() if value]
        self.http.send_headers(stream, [*lines, *headers], end_stream=ends)
        return stream

    async def answers(self, streams: Iterable[int]) -> list[Message]:
        """What has come when all have ended, or the connection has."""
        wanted = list(streams)
        await self.send()
        while not self.has_ended and not all(
            (found := self.messages.get(each)) is not None and (found.ended or found.reset is not None)
            for each in wanted
        ):
            await self.receive()
        return [self.messages.setdefault(each, Message()) for each in wanted]

    async def answer(self, *headers: tuple[bytes, bytes], **pseudo: bytes) -> Message:
        return (await self.answers([self.begin(*headers, **pseudo)]))[0]


Serve = Callable[["Http2Server", End, int], Awaitable[None]]


class Http2Server:
    """Answers each request with its body and trailers, or as ``serve`` does; ``ends`` are connections."""

    def __init__(self, stage: Stage, serve: Serve | None = None) -> None:
        self._context = stage.server.authority.server_context(NAME, "h2")
        self._serve_stream = serve
        self.ends: list[End] = []
        self.stage = stage
        stage.start_server = self.start

    async def start(self) -> int:
        self.stage.server.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        port: int = self.stage.server.server.sockets[0].getsockname()[1]
        return port

    @property
    def requests(self) -> list[Message]:
        return [each for end in self.ends for each in end.messages.values() if each.headers]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        end = End((reader, writer), is_client=False)
        self.ends.append(end)
        end.http.initiate_connection()
        with contextlib.suppress(OSError):
            await end.send()
            while not end.has_ended:
                for event in await end.receive():
                    if isinstance(event, RequestReceived) and self._serve_stream is not None:
                        await self._serve_stream(self, end, event.stream_id)
                    elif isinstance(event, StreamEnded) and self._serve_stream is None:
                        await self._echo(end, event.stream_id)
        writer.close()

    async def _echo(self, end: End, stream: int) -> None:
        request = end.messages[stream]
        headers = [(b":status", b"200"), (b"alt-svc", b'h3=":443"'), (b"x-path", request.headers[b":path"])]
        end.http.send_headers(stream, headers)
        await end.send()
        await end.send_body(stream, bytes(request.body), trailers=[(b"x-sum", b"1")])
