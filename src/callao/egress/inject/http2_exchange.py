# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes the HTTP/2 requests of one of the guest's connections on to the server, and the answers back.

Both sides speak HTTP/2, stream by stream: nothing is translated that two programs could read in two ways.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from h2.exceptions import H2Error
from h2.settings import SettingCodes

from callao.cancellation import cancel_and_wait
from callao.egress.inject.exchange import IDLE
from callao.egress.inject.http2_peer import MOST_STREAMS, Http2Peer
from callao.egress.inject.http2_streams import Http2Streams
from callao.egress.inject.substitution import Substitution
from callao.egress.streams import Streams

_BEGIN = 20.0
"""Seconds for the server to begin its side of the connection."""


class Http2Exchange:
    """One connection of the guest, whose TLS has been terminated, to one server."""

    def __init__(
        self,
        guest: Streams,
        server: Streams,
        host: tuple[str, int],
        substitution: Callable[[], Substitution],
        refused: Callable[[str, str], None],
    ) -> None:
        """:param substitution: as it is now, because values change.
        :param refused: is told the secret's name, or nothing, and the reason.
        """
        self._guest_streams = guest
        self._server = Http2Peer(server, {SettingCodes.ENABLE_PUSH: 0}, is_server=True)
        self._host, self._substitution, self._refused = host, substitution, refused

    async def run(self) -> None:
        """Until one end has ended, or has sent what is not valid."""
        server = self._server
        try:
            server.begin()
            first = await server.first_events(_BEGIN)
        except (OSError, EOFError, TimeoutError, H2Error) as error:
            self._refused("", f"the server does not begin HTTP/2: {type(error).__name__}")
            return
        most = min(MOST_STREAMS, server.h2.remote_settings.max_concurrent_streams)
        guest = Http2Peer(self._guest_streams, {SettingCodes.MAX_CONCURRENT_STREAMS: most}, is_server=False)
        guest.begin()
        streams = Http2Streams(guest, server, self._host, self._substitution, self._refused)
        for event in first:
            streams.from_server(event)
        both = [
            asyncio.ensure_future(self._from_guest(guest, streams)),
            asyncio.ensure_future(self._from_server(guest, streams)),
        ]
        try:
            guest.write()
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            with contextlib.suppress(OSError):
                await cancel_and_wait(*both)
            streams.end()
            guest.write()

    async def _from_guest(self, guest: Http2Peer, streams: Http2Streams) -> None:
        try:
            while not streams.has_ended:
                try:
                    async with asyncio.timeout(IDLE):
                        events = await guest.receive()
                except TimeoutError:
                    if streams.is_idle:
                        return
                    continue
                for event in events:
                    streams.from_guest(event)
                await self._flush(guest)
        except EOFError:
            pass
        except H2Error as error:
            self._refused("", f"what was sent is not valid HTTP/2: {type(error).__name__}")

    async def _from_server(self, guest: Http2Peer, streams: Http2Streams) -> None:
        with contextlib.suppress(EOFError, H2Error):
            while not streams.has_ended:
                for event in await self._server.receive():
                    streams.from_server(event)
                await self._flush(guest)

    async def _flush(self, guest: Http2Peer) -> None:
        """Wait until both sides have taken what there is, before more is read."""
        guest.write()
        await self._server.flush()
        await guest.flush()
