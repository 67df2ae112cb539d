# SPDX-License-Identifier: GPL-3.0-or-later
"""Terminates the guest's TLS connections to the servers that secrets are for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from callao.egress.inject.authority import HTTP_1, HTTP_2, Authority, client_context
from callao.egress.inject.exchange import Exchange
from callao.egress.inject.http2_exchange import Http2Exchange
from callao.egress.inject.server import Server
from callao.egress.inject.substitution import Injection, Substitution
from callao.egress.streams import AT_ONCE, Streams

_HANDSHAKE = 20.0
_CONNECT = 30.0
_END = 10.0
"""Seconds for the guest to read what is left."""

_NOT_TRUSTED = "the guest's program does not trust the instance's certificate, or does not speak TLS 1.2"

_MOST_HTTP_2 = 16
"""Connections by HTTP/2, each of which may have 15 MB wait here; the others get HTTP/1.1."""


class Injector:
    """Of one guest.

    :param authority: the instance's, which is made or read when the first connection needs it.
    :param refused: is told what was refused: the reason, the address, the port, and a name.
    """

    def __init__(
        self, authority: Callable[[], Authority], refused: Callable[[str, IPv4Address, int, str], None]
    ) -> None:
        self._authority = authority
        self._refused = refused
        self._injections: tuple[Injection, ...] = ()
        self._contexts: dict[tuple[str, tuple[str, ...]], ssl.SSLContext] = {}
        self._http_2 = 0
        """Connections by HTTP/2 that are open."""

    def replace(self, injections: Iterable[Injection]) -> None:
        """Inject these from now on; connections that are open follow with their next request."""
        self._injections = tuple(injections)
        self._contexts.clear()

    def takes(self, name: str, port: int) -> bool:
        """Whether connections to this server end here."""
        return any((name, port) in each.hosts for each in self._injections)

    def takes_port(self, port: int) -> bool:
        """Whether there is such a server at this port."""
        return any(port == each for injection in self._injections for _, each in injection.hosts)

    def passing(self) -> Substitution:
        """For connections that do not end here: no placeholder may be in them."""
        return Substitution(self._injections, None)

    async def serve(self, guest: socket.socket, server: Server, protocols: frozenset[str]) -> None:
        """Serve a connection of the guest, until its end.

        :param guest: one end of it, which is closed at the end.
        :param protocols: that the guest offers to speak (ALPN). It is offered the one that the server has
            chosen of these, so that both sides speak the same.
        """
        offers_http_2 = HTTP_2 in protocols and self._http_2 < _MOST_HTTP_2
        self._http_2 += offers_http_2
        upstream: Streams | OSError | None = None
        try:
            upstream = await self._first_connection(server, (HTTP_2, HTTP_1) if offers_http_2 else (HTTP_1,))
            streams = await self._accept(guest, server, _protocol(upstream))
            if streams is not None:
                await self._exchange(streams, server, upstream)
        finally:
            self._http_2 -= offers_http_2
            if isinstance(upstream, tuple):
                upstream[1].transport.abort()

    async def _first_connection(self, server: Server, protocols: tuple[str, ...]) -> Streams | OSError:
        """The error where there is none: it is the answer to the first request."""
        try:
            return await self._connect(server, protocols)
        except OSError as error:
            return error

    async def _connect(self, server: Server, protocols: tuple[str, ...]) -> Streams:
        """:raises OSError: when there is no verified connection."""
        async with asyncio.timeout(_CONNECT):
            return await asyncio.open_connection(
                server.upstream,
                server.port,
                ssl=self._client_context(server.host, protocols),
                server_hostname=server.name,
                limit=AT_ONCE,
            )

    async def _accept(self, guest: socket.socket, server: Server, protocol: str) -> Streams | None:
        try:
            async with asyncio.timeout(_HANDSHAKE):
                return await _accept_tls(guest, self._authority().server_context(server.name, protocol))
        except (TimeoutError, OSError) as error:
            guest.close()
            if not isinstance(error, TimeoutError):
                self._refused(_NOT_TRUSTED, server.address, server.port, server.name)
        return None

    async def _exchange(self, streams: Streams, server: Server, upstream: Streams | OSError) -> None:
        """Pass on what is said by the protocol that was agreed on."""
        first: list[Streams | OSError] = [upstream]

        async def connect() -> Streams:
            found = first.pop() if first else await self._connect(server, (HTTP_1,))
            if isinstance(found, OSError):
                raise found
            return found

        def refused(secret: str, reason: str) -> None:
            what = f"secret {secret}: {reason}" if secret else reason
            self._refused(what, server.address, server.port, server.name)

        def substitution() -> Substitution:
            return Substitution(self._injections, server.host)

        exchange: Exchange | Http2Exchange
        if isinstance(upstream, tuple) and _protocol(upstream) == HTTP_2:
            exchange = Http2Exchange(streams, upstream, server.host, substitution, refused)
        else:
            exchange = Exchange(streams, server.host, substitution, connect, refused)
        writer = streams[1]
        try:
            with contextlib.suppress(TimeoutError):
                await exchange.run()
            async with asyncio.timeout(_END):
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            pass
        finally:
            writer.transport.abort()

    def _client_context(self, host: tuple[str, int], protocols: tuple[str, ...]) -> ssl.SSLContext:
        file = next((each.ca_file for each in self._injections if host in each.hosts and each.ca_file), "")
        if (file, protocols) not in self._contexts:
            self._contexts[file, protocols] = client_context(file, protocols)
        return self._contexts[file, protocols]


def _protocol(upstream: Streams | OSError) -> str:
    """The one that the server has chosen."""
    if isinstance(upstream, OSError):
        return HTTP_1
    chosen = upstream[1].get_extra_info("ssl_object").selected_alpn_protocol()
    return HTTP_2 if chosen == HTTP_2 else HTTP_1


async def _accept_tls(guest: socket.socket, context: ssl.SSLContext) -> Streams:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=AT_ONCE, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, guest, ssl=context, ssl_handshake_timeout=_HANDSHAKE
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
