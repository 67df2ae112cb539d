# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes the requests of one of the guest's connections on to the server, and the answers back."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable

import h11

from callao.cancellation import cancel_and_wait
from callao.egress.inject.requests import (
    OWN_TYPE,
    Refused,
    as_bytes,
    own_answer,
    request_to_server,
    response_to_guest,
    switch_to_guest,
)
from callao.egress.inject.substitution import Misplaced, StreamScan, Substitution
from callao.egress.streams import AT_ONCE, Streams, copy

_LONGEST_HEAD = 1 << 16
IDLE = 300.0
"""Seconds in which the guest begins its next request."""


class _Peer:
    """One end: the guest's or the server's."""

    def __init__(self, role: type[h11.CLIENT] | type[h11.SERVER], streams: Streams) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=_LONGEST_HEAD)
        self.reader, self.writer = streams

    async def next_event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.reader.read(AT_ONCE))
        return event  # type: ignore[return-value]

    async def send(self, event: h11.Event) -> None:
        if data := self.http.send(event):
            self.writer.write(data)
            await self.writer.drain()

    @property
    def can_go_on(self) -> bool:
        return self.http.our_state is h11.DONE and self.http.their_state is h11.DONE


class Exchange:
    """One connection of the guest, whose TLS has been terminated, to one server."""

    def __init__(
        self,
        guest: Streams,
        host: tuple[str, int],
        substitution: Callable[[], Substitution],
        connect: Callable[[], Awaitable[Streams]],
        refused: Callable[[str, str], None],
    ) -> None:
        """:param substitution: as it is now, because values change.
        :param connect: makes a verified connection to the server.
        :param refused: is told the secret's name, or nothing, and the reason.
        """
        self._guest = _Peer(h11.SERVER, guest)
        self._server: _Peer | None = None
        self._host = host
        self._substitution = substitution
        self._connect = connect
        self._refused = refused

    async def run(self) -> None:
        """Until one end has ended, or a request was refused."""
        try:
            while await self._one():
                assert self._server is not None
                self._guest.http.start_next_cycle()
                self._server.http.start_next_cycle()
        except Misplaced as misplaced:
            self._refused(misplaced.secret, misplaced.reason)
            await self._answer(403, f"{misplaced.secret}: {misplaced.reason}.")
        except Refused as refused:
            self._refused("", refused.reason)
            await self._answer(refused.status, f"{refused.reason}.")
        except h11.RemoteProtocolError as error:
            if self._guest.http.their_state is h11.ERROR:
                self._refused("", "what was sent is not valid HTTP/1.1")
                await self._answer(error.error_status_hint, "This is not valid HTTP/1.1.")
            else:
                await self._answer(502, "The server's answer is not valid HTTP/1.1.")
        except h11.LocalProtocolError:
            await self._answer(502, "The server's answer cannot be passed on.")
        except (OSError, EOFError) as error:
            if isinstance(error, ssl.SSLError):
                self._refused("", f"the server's TLS is not valid: {error.reason or type(error).__name__}")
            await self._answer(502, f"The server cannot be reached: {type(error).__name__}.")
        finally:
            self._abort_server()

    def _abort_server(self) -> None:
        if self._server is not None:
            self._server.writer.transport.abort()

    async def _one(self) -> bool:
        """One request and its answer; returns whether another may follow."""
        async with asyncio.timeout(IDLE):
            request = await self._guest.next_event()
        if not isinstance(request, h11.Request):
            return False
        substitution = self._substitution()
        sent = request_to_server(request, self._host, substitution)
        if self._server is None or self._server.reader.at_eof():  # a server ends what is not used for long
            self._abort_server()
            self._server = _Peer(h11.CLIENT, await self._connect())
        await self._server.send(sent)
        upward = asyncio.ensure_future(self._send_body(substitution, self._server))
        try:
            switched = await self._first_of(upward, self._pass_answer(self._server))
        finally:
            await cancel_and_wait(upward)
        if switched:
            await self._tunnel(self._server)
            return False
        return self._guest.can_go_on and self._server.can_go_on

    async def _first_of(self, upward: asyncio.Task[None], answering: Awaitable[bool]) -> bool:
        """What the answer comes to. A server may answer before it has the whole body, and the body that is
        refused ends the exchange."""
        answer = asyncio.ensure_future(answering)
        try:
            await asyncio.wait((upward, answer), return_when=asyncio.FIRST_COMPLETED)
            if upward.done() and not upward.cancelled() and (error := upward.exception()) is not None:
                raise error
            return await answer
        finally:
            await cancel_and_wait(answer)

    async def _send_body(self, substitution: Substitution, server: _Peer) -> None:
        scan = StreamScan(substitution, "in the body of a request")
        while True:
            event = await self._guest.next_event()
            if isinstance(event, h11.Data):
                scan.feed(bytes(event.data))
                await server.send(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                substitution.refuse_in_trailers(as_bytes(event.headers))
                await server.send(h11.EndOfMessage(headers=event.headers))
                return
            else:
                raise EOFError

    async def _pass_answer(self, server: _Peer) -> bool:
        """Pass the answer on; returns whether the connection is a WebSocket's from now on."""
        while True:
            event = await server.next_event()
            if isinstance(event, h11.InformationalResponse):
                if not self._guest_is_older:
                    await self._guest.send(switch_to_guest(event))
                if server.http.their_state is h11.SWITCHED_PROTOCOL:
                    return True
            elif isinstance(event, h11.Response):
                await self._guest.send(response_to_guest(event))
            elif isinstance(event, h11.Data):
                await self._guest.send(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                await self._guest.send(h11.EndOfMessage(headers=event.headers))
                return False
            else:
                raise EOFError

    @property
    def _guest_is_older(self) -> bool:
        """HTTP/1.0 has no informational answers."""
        return (self._guest.http.their_http_version or b"1.1") < b"1.1"

    async def _tunnel(self, server: _Peer) -> None:
        """Pass all bytes on in both directions: a WebSocket's frames have no headers."""
        server.writer.write(self._guest.http.trailing_data[0])
        self._guest.writer.write(server.http.trailing_data[0])
        both = [
            asyncio.ensure_future(copy(self._guest.reader, server.writer)),
            asyncio.ensure_future(copy(server.reader, self._guest.writer)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(*both)

    async def _answer(self, status: int, text: str) -> None:
        """An answer of the host's own, where the guest has not got the beginning of another."""
        http = self._guest.http
        if http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        data = own_answer(text)
        headers = [
            (b"Content-Type", OWN_TYPE),
            (b"Content-Length", b"%d" % len(data)),
            (b"Connection", b"close"),
        ]
        with contextlib.suppress(OSError, h11.LocalProtocolError):
            await self._guest.send(h11.Response(status_code=status, headers=headers))
            await self._guest.send(h11.Data(data=data))
            await self._guest.send(h11.EndOfMessage())
