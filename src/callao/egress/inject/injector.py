# SPDX-License-Identifier: GPL-3.0-or-later
"""Terminates the guest's TLS connections to the servers that secrets are for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from callao.egress.inject.authority import Authority, client_context
from callao.egress.inject.exchange import Exchange
from callao.egress.inject.substitution import Injection, Substitution
from callao.egress.streams import AT_ONCE, Streams

_HANDSHAKE = 20.0
_CONNECT = 30.0
_END = 10.0
"""Seconds for the guest to read what is left."""


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
        self._contexts: dict[str, ssl.SSLContext] = {}

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

    async def serve(
        self, guest: socket.socket, name: str, address: IPv4Address, port: int, upstream: str
    ) -> None:
        """Serve a connection of the guest, until its end.

        :param guest: one end of it, which is closed at the end.
        :param address: of the server as the guest sees it; ``upstream`` is where the host has it.
        """
        host = (name, port)
        try:
            async with asyncio.timeout(_HANDSHAKE):
                streams = await _accept_tls(guest, self._authority().server_context(name))
        except (TimeoutError, OSError) as error:
            guest.close()
            reason = (
                "the guest's program does not trust the instance's certificate, or does not speak TLS 1.2"
            )
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                self._refused(reason, address, port, name)
            return

        async def connect() -> Streams:
            async with asyncio.timeout(_CONNECT):
                return await asyncio.open_connection(
                    upstream, port, ssl=self._client_context(host), server_hostname=name, limit=AT_ONCE
                )

        def refused(secret: str, reason: str) -> None:
            what = f"secret {secret}: {reason}" if secret else reason
            self._refused(what, address, port, name)

        exchange = Exchange(streams, host, lambda: Substitution(self._injections, host), connect, refused)
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

    def _client_context(self, host: tuple[str, int]) -> ssl.SSLContext:
        file = next((each.ca_file for each in self._injections if host in each.hosts and each.ca_file), "")
        if file not in self._contexts:
            self._contexts[file] = client_context(file)
        return self._contexts[file]


async def _accept_tls(guest: socket.socket, context: ssl.SSLContext) -> Streams:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=AT_ONCE, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, guest, ssl=context, ssl_handshake_timeout=_HANDSHAKE
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
