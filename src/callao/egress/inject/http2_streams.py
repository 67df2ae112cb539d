# SPDX-License-Identifier: GPL-3.0-or-later
"""The streams of one HTTP/2 connection of a guest, and what is done for each event of either side."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

from callao.egress.inject.http2_peer import Http2Peer
from callao.egress.inject.http2_requests import http2_request_to_server, http2_response_to_guest
from callao.egress.inject.http2_stream import Flow, Http2Stream
from callao.egress.inject.requests import Refused, as_bytes
from callao.egress.inject.substitution import Misplaced, StreamScan, Substitution
from callao.token_bucket import TokenBucket

_RESET_BURST, _RESET_RATE = 200.0, 20.0
"""Streams that the guest may begin and reset: each costs the server a request (CVE-2023-44487)."""

_BodyEvent = DataReceived | TrailersReceived | StreamEnded
_AnswerEvent = InformationalResponseReceived | ResponseReceived | _BodyEvent | StreamReset


class Http2Streams:
    """Calls nothing that waits: what is to be sent is queued in the two peers."""

    def __init__(
        self,
        guest: Http2Peer,
        server: Http2Peer,
        host: tuple[str, int],
        substitution: Callable[[], Substitution],
        refused: Callable[[str, str], None],
    ) -> None:
        self._guest, self._server = guest, server
        self._host, self._substitution, self._refused = host, substitution, refused
        self._by_guest: dict[int, Http2Stream] = {}
        self._by_server: dict[int, Http2Stream] = {}
        self._resets = TokenBucket(_RESET_BURST, _RESET_RATE)
        self._is_ending = False

    @property
    def is_idle(self) -> bool:
        """Whether there is none."""
        return not self._by_guest

    @property
    def has_ended(self) -> bool:
        """Whether there is none, and none can come."""
        return self._is_ending and self.is_idle

    def end(self) -> None:
        """Reset all: one side has ended."""
        for stream in list(self._by_guest.values()):
            self._reset(stream, ErrorCodes.INTERNAL_ERROR)
        self._go_away(ErrorCodes.NO_ERROR)

    def from_guest(self, event: Event) -> None:
        """:raises ProtocolError: where the guest does something too often."""
        if isinstance(event, RequestReceived):
            self._begin(event)
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self._send_more(event, self._by_guest)
        elif isinstance(event, ConnectionTerminated):
            self._is_ending = True
        elif isinstance(event, StreamReset):
            if (stream := self._by_guest.get(event.stream_id)) is not None:
                self._reset(stream, ErrorCodes.CANCEL)
            if not self._resets.try_take():
                self._go_away(ErrorCodes.ENHANCE_YOUR_CALM)
                raise ProtocolError("too many streams were reset")
        elif isinstance(event, _BodyEvent):
            self._request_goes_on(event)

    def from_server(self, event: Event) -> None:
        """An event of the server's side."""
        if isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self._send_more(event, self._by_server)
        elif isinstance(event, ConnectionTerminated):
            self._server_goes_away(event.last_stream_id or 0)
        elif isinstance(event, _AnswerEvent):
            stream = self._by_server.get(event.stream_id)
            if stream is not None:
                self._answer_goes_on(event, stream)
            elif isinstance(event, DataReceived):
                self._server.acknowledge(event.flow_controlled_length, event.stream_id)

    def _begin(self, event: RequestReceived) -> None:
        guest_id, server = event.stream_id, self._server
        if self._is_ending or server.h2.open_outbound_streams >= _most_streams(server):
            self._guest.reset(guest_id, ErrorCodes.REFUSED_STREAM)
            return
        substitution, ends = self._substitution(), event.stream_ended is not None
        try:
            sent = http2_request_to_server(as_bytes(event.headers), self._host, substitution, ends=ends)
        except Misplaced as misplaced:
            self._refuse_placeholder(misplaced, guest_id)
            return
        except Refused as refused:
            self._refused("", refused.reason)
            self._guest.answer(guest_id, refused.status, f"{refused.reason}.")
            return
        server_id = server.h2.get_next_available_stream_id()
        if not server.send_headers(server_id, sent, ends=ends):
            self._guest.reset(guest_id, ErrorCodes.PROTOCOL_ERROR)
            return
        scan = StreamScan(substitution, "in the body of a request")
        stream = Http2Stream(self._guest, guest_id, server, server_id, scan)
        stream.up.ended = stream.up.done = ends
        self._by_guest[guest_id] = self._by_server[server_id] = stream

    def _request_goes_on(self, event: _BodyEvent) -> None:
        stream = self._by_guest.get(event.stream_id)
        if stream is None:
            if isinstance(event, DataReceived):
                self._guest.acknowledge(event.flow_controlled_length, event.stream_id)
            return
        try:
            if isinstance(event, DataReceived):
                stream.scan.feed(event.data)
            elif isinstance(event, TrailersReceived):
                self._substitution().refuse_in_trailers(as_bytes(event.headers))
        except Misplaced as misplaced:
            self._drop(stream)
            if isinstance(event, DataReceived):
                self._guest.acknowledge(event.flow_controlled_length, event.stream_id)
            if stream.answered:
                self._refused(misplaced.secret, misplaced.reason)
                self._guest.reset(stream.guest_id, ErrorCodes.CANCEL)
            else:
                self._refuse_placeholder(misplaced, stream.guest_id)
            return
        self._body(event, stream.up, stream)

    def _answer_goes_on(self, event: _AnswerEvent, stream: Http2Stream) -> None:
        if isinstance(event, InformationalResponseReceived):
            self._guest.send_headers(stream.guest_id, as_bytes(event.headers), ends=False)
        elif isinstance(event, ResponseReceived):
            ends = event.stream_ended is not None
            stream.answered, stream.down.ended, stream.down.done = True, ends, ends
            headers = http2_response_to_guest(as_bytes(event.headers))
            if not self._guest.send_headers(stream.guest_id, headers, ends=ends):
                self._reset(stream, ErrorCodes.INTERNAL_ERROR)
        elif isinstance(event, StreamReset):
            if stream.down.ended:  # it does not want the rest of the request
                stream.up.discard()
                stream.reset_after = int(event.error_code or 0)
                self._send(stream)
            else:
                self._reset(stream, int(event.error_code or 0))
        else:
            self._body(event, stream.down, stream)

    def _body(self, event: _BodyEvent, flow: Flow, stream: Http2Stream) -> None:
        if isinstance(event, DataReceived):
            flow.add(event.data, event.flow_controlled_length)
            flow.ended = flow.ended or event.stream_ended is not None
            flow.widen()
        elif isinstance(event, TrailersReceived):
            flow.trailers = as_bytes(event.headers)
            flow.ended = True
        elif flow.ended:
            return
        else:
            flow.ended = True
        self._send(stream)

    def _send_more(
        self, event: WindowUpdated | RemoteSettingsChanged, streams: dict[int, Http2Stream]
    ) -> None:
        number = event.stream_id if isinstance(event, WindowUpdated) else 0
        found: Iterable[Http2Stream | None] = [streams.get(number)] if number else list(streams.values())
        for stream in found:
            if stream is not None:
                self._send(stream)

    def _send(self, stream: Http2Stream) -> None:
        if not stream.send():
            self._reset(stream, ErrorCodes.CANCEL)
        elif stream.is_done:
            self._forget(stream)

    def _server_goes_away(self, last: int) -> None:
        """Requests that the server has not begun can be sent by the guest again, on another connection."""
        for stream in list(self._by_guest.values()):
            if stream.server_id > last:
                self._reset(stream, ErrorCodes.REFUSED_STREAM)
        self._go_away(ErrorCodes.NO_ERROR)

    def _go_away(self, code: int) -> None:
        if not self._is_ending:
            self._is_ending = True
            self._guest.go_away(code)

    def _refuse_placeholder(self, misplaced: Misplaced, guest_id: int) -> None:
        self._refused(misplaced.secret, misplaced.reason)
        self._guest.answer(guest_id, 403, f"{misplaced.secret}: {misplaced.reason}.")

    def _reset(self, stream: Http2Stream, code: int) -> None:
        self._guest.reset(stream.guest_id, code)
        self._drop(stream)

    def _drop(self, stream: Http2Stream) -> None:
        """End the server's side of a stream, and forget it."""
        self._server.reset(stream.server_id, ErrorCodes.CANCEL)
        stream.up.discard()
        stream.down.discard()
        self._forget(stream)

    def _forget(self, stream: Http2Stream) -> None:
        if self._by_guest.pop(stream.guest_id, None) is not None:
            del self._by_server[stream.server_id]
            for flow in (stream.up, stream.down):
                flow.source.spare_window += flow.spare


def _most_streams(server: Http2Peer) -> int:
    return int(server.h2.remote_settings.max_concurrent_streams)
