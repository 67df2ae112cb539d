# SPDX-License-Identifier: GPL-3.0-or-later
"""One end of an HTTP/2 connection, with limits on what the peer can make this process keep and do."""

from __future__ import annotations

import asyncio
import contextlib

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event, RemoteSettingsChanged
from h2.exceptions import H2Error, NoSuchStreamError, ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

from callao.egress.inject.requests import OWN_TYPE, own_answer
from callao.egress.inject.substitution import Headers
from callao.egress.streams import AT_ONCE, Streams

MOST_STREAMS = 100

STREAM_WINDOW = (1 << 16) - 1
"""Bytes of a stream that may wait here at its start, which is HTTP/2's default. The connection's window has
room for all streams, so that those that nobody reads do not stop the others."""

_SPARE_WINDOW = 1 << 20
"""Bytes beyond that, for streams through which much has passed."""

_LONGEST_HEADERS = 1 << 16
_HEADER_TABLE = 1 << 12
"""Bytes of compression state, also for a peer that offers to keep more."""

_MOST_SETTINGS = 64
"""SETTINGS frames of a connection; each may change all streams."""


class Connection(H2Connection):
    """Which outlasts GOAWAY, and remembers fewer of the streams that have been."""

    MAX_CLOSED_STREAMS = 1 << 10

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        """h2 takes GOAWAY for the end, but streams up to the last one go on (RFC 9113 section 6.8)."""
        event = ConnectionTerminated()
        event.error_code, event.last_stream_id = frame.error_code, frame.last_stream_id
        return [], [event]


class Http2Peer:
    """The guest's end, or the server's.

    What is sent is queued; :meth:`flush` waits until the other side has taken most of it.
    """

    def __init__(self, streams: Streams, settings: dict[SettingCodes, int], *, is_server: bool) -> None:
        """:param is_server: whether the other side is the server."""
        self.h2 = Connection(H2Configuration(client_side=is_server, header_encoding=None))
        values = {**settings, SettingCodes.MAX_HEADER_LIST_SIZE: _LONGEST_HEADERS}
        self.h2.local_settings = Settings(client=is_server, initial_values=values)
        self._reader, self.writer = streams
        self.spare_window = _SPARE_WINDOW
        """What no stream has of it."""
        self._settings_seen = 0
        self._has_said_goodbye = False

    def begin(self) -> None:
        """Send the preface."""
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window((MOST_STREAMS - 1) * STREAM_WINDOW + _SPARE_WINDOW)

    async def receive(self) -> list[Event]:
        """What has come next.

        :raises EOFError: at the connection's end.
        :raises ProtocolError: for what is not valid, or too much of it.
        """
        data = await self._reader.read(AT_ONCE)
        if not data:
            raise EOFError
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self._has_said_goodbye = True  # by GOAWAY with the error
            raise
        self._settings_seen += sum(isinstance(each, RemoteSettingsChanged) for each in events)
        if self._settings_seen > _MOST_SETTINGS:
            self.go_away(ErrorCodes.ENHANCE_YOUR_CALM)
            raise ProtocolError("too many SETTINGS frames")
        if self.h2.encoder.header_table_size > _HEADER_TABLE:
            self.h2.encoder.header_table_size = _HEADER_TABLE
        return events

    def write(self) -> None:
        """Queue all that h2 has to send."""
        if data := self.h2.data_to_send():
            self.writer.write(data)

    async def flush(self) -> None:
        """:raises OSError: when the other side has gone."""
        self.write()
        await self.writer.drain()

    def send_headers(self, stream: int, headers: Headers, *, ends: bool) -> bool:
        """Returns whether they could be sent: the stream may have ended.

        :raises H2Error: for headers that are not valid. The connection cannot go on: h2 has compressed some.
        """
        try:
            self.h2.send_headers(stream, headers, end_stream=ends)
        except NoSuchStreamError:
            return False
        return True

    def reset(self, stream: int, code: int) -> None:
        """End a stream, where it has not ended."""
        with contextlib.suppress(H2Error):
            self.h2.reset_stream(stream, code)

    def acknowledge(self, size: int, stream: int) -> None:
        """Let the other side send so many more bytes of a stream's data."""
        with contextlib.suppress(H2Error):
            self.h2.acknowledge_received_data(size, stream)

    def go_away(self, code: int) -> None:
        """Announce, once, that no further streams are taken; those that there are go on."""
        if self._has_said_goodbye:
            return
        self._has_said_goodbye = True
        self.write()
        frame = GoAwayFrame(0, last_stream_id=self.h2.highest_inbound_stream_id, error_code=code)
        self.writer.write(frame.serialize())

    def widen(self, stream: int) -> int:
        """Let the other side have more of a stream's data under way; returns how much more."""
        more = min(self.spare_window, STREAM_WINDOW)
        try:
            if not more or not self.h2.streams[stream].open:
                return 0
            self.h2.increment_flow_control_window(more, stream)
        except (KeyError, H2Error):
            return 0
        self.spare_window -= more
        return more

    def answer(self, stream: int, status: int, text: str) -> None:
        """An answer of the host's own to a guest's request, whose body is not read any more."""
        data = own_answer(text)
        headers = [
            (b":status", b"%d" % status),
            (b"content-type", OWN_TYPE),
            (b"content-length", b"%d" % len(data)),
        ]
        with contextlib.suppress(H2Error):
            fits = self.h2.local_flow_control_window(stream) >= len(data)
            self.h2.send_headers(stream, headers if fits else headers[:1], end_stream=not fits)
            if fits:
                self.h2.send_data(stream, data, end_stream=True)
        self.reset(stream, ErrorCodes.NO_ERROR)

    async def first_events(self, timeout: float) -> list[Event]:
        """The events up to the peer's first SETTINGS frame, with which its side of the connection begins.

        :raises TimeoutError: when it does not come.
        """
        found: list[Event] = []
        async with asyncio.timeout(timeout):
            await self.flush()
            while not any(isinstance(each, RemoteSettingsChanged) for each in found):
                found += await self.receive()
                await self.flush()
        return found
