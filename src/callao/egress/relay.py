# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects the guest to addresses of allowed names, when it asks the server there for one of these names.

Each address and port has a listener of its own on the host's loopback, to which QEMU's network stack
connects: so it is known what the guest has dialled, whatever it sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from callao.cancellation import cancel_and_wait
from callao.egress import client_hello, request_head
from callao.egress.client_hello import HANDSHAKE_RECORD, Unreadable
from callao.egress.inject import Misplaced, Server, StreamScan
from callao.egress.pins import Pins
from callao.egress.policy import Policy
from callao.egress.refusals import Attempt, Refusals
from callao.egress.streams import AT_ONCE, Scan, Streams, copy
from callao.reach import LOOPBACK

if TYPE_CHECKING:
    from callao.egress.inject.injector import Injector  # loaded where a secret is injected

_HTTP, _HTTPS = 80, 443

_MOST_LISTENERS = 256
_MOST_CONNECTIONS = 512

_BACKLOG = 64

_FIRST_BYTES = 20.0
"""Seconds for the client to say for which name it has come."""

_MOST_PIECES = 64
"""In which this may come, because the first bytes are read anew for each."""

_CONNECT = 30.0

_FLUSH = 60.0
"""Seconds for what is left to be sent after both ends have ended."""


@dataclass(eq=False)
class _Listener:
    address: IPv4Address
    port: int
    socket: socket.socket
    connections: dict[asyncio.Task[None], frozenset[str]] = field(default_factory=dict)
    """With the names that each may be for."""

    @property
    def local_port(self) -> int:
        return int(self.socket.getsockname()[1])


class Relay:
    """Of one guest; runs on the event loop that it is used from.

    :param closed: is told the address, port and local port of a listener that has been closed.
    """

    def __init__(
        self,
        policy: Callable[[], Policy],
        pins: Pins,
        refusals: Refusals,
        closed: Callable[[IPv4Address, int, int], None],
    ) -> None:
        self._policy = policy
        self._pins = pins
        self._refusals = refusals
        self._told_closed = closed
        self.injector: Injector | None = None
        """Has the connections to servers that a secret is for, where there is one."""
        self._listeners: OrderedDict[tuple[IPv4Address, int], _Listener] = OrderedDict()
        self._connections = 0

    def listen(self, address: IPv4Address, port: int) -> int:
        """The local port of a listener for connections to an address and port; 0 where that belongs to no
        allowed name, or nothing more can be had."""
        if not self._names(address, port):
            return 0
        listener = self._listeners.get((address, port))
        if listener is None:
            if len(self._listeners) >= _MOST_LISTENERS and not self._close_idle():
                return 0
            try:
                listener = _Listener(address, port, _listening())
            except OSError:
                return 0
            self._listeners[address, port] = listener
            asyncio.get_running_loop().add_reader(listener.socket, self._accept, listener)
        self._listeners.move_to_end((address, port))
        return listener.local_port

    def end_disallowed(self) -> None:
        """End what the rules no longer allow."""
        policy = self._policy()
        for listener in self._listeners.values():
            for task, names in listener.connections.items():
                if not any(policy.allows_name(name, listener.port) for name in names):
                    task.cancel()

    async def close(self) -> None:
        """End all; returns when they have ended."""
        tasks = [task for listener in self._listeners.values() for task in listener.connections]
        for listener in list(self._listeners.values()):
            self._close(listener)
        await cancel_and_wait(*tasks)

    def _names(self, address: IPv4Address, port: int) -> frozenset[str]:
        policy = self._policy()
        return frozenset(name for name in self._pins.names_of(address) if policy.allows_name(name, port))

    def _close_idle(self) -> bool:
        """Close the listener without connections that was used longest ago."""
        for listener in self._listeners.values():
            if not listener.connections:
                self._close(listener)
                return True
        return False

    def _close(self, listener: _Listener) -> None:
        local_port = listener.local_port
        asyncio.get_running_loop().remove_reader(listener.socket)
        listener.socket.close()
        del self._listeners[listener.address, listener.port]
        self._told_closed(listener.address, listener.port, local_port)

    def _accept(self, listener: _Listener) -> None:
        try:
            client, _ = listener.socket.accept()
        except OSError:
            return
        if self._connections >= _MOST_CONNECTIONS:
            self._refuse(listener, f"{_MOST_CONNECTIONS} connections are open already")
            client.close()
            return
        client.setblocking(False)
        self._connections += 1
        task = asyncio.ensure_future(self._serve(listener, client))
        listener.connections[task] = self._names(listener.address, listener.port)
        task.add_done_callback(lambda done: self._ended(listener, done))

    def _ended(self, listener: _Listener, task: asyncio.Task[None]) -> None:
        self._connections -= 1
        del listener.connections[task]

    async def _serve(self, listener: _Listener, client: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=client, limit=AT_ONCE)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                await self._connect(listener, reader, writer)
            except Unreadable as error:
                self._refuse(listener, str(error))
            finally:
                # At once, so that the client sees an error, not an end.
                writer.transport.abort()

    async def _connect(
        self, listener: _Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self._names(listener.address, listener.port):
            raise Unreadable("no allowed name has this address any more")
        name, first = "", b""
        if listener.port in (_HTTP, _HTTPS) or (self.injector and self.injector.takes_port(listener.port)):
            name, first = await self._checked(listener, reader, b"")
        scan = self._scan(listener) if listener.port == _HTTP else None
        if scan is not None:
            scan(first)
        async with self._upstream(listener, name, first) as (upstream_reader, upstream):
            await self._join(listener, (reader, writer), (upstream_reader, upstream), first, scan)

    async def _join(
        self, listener: _Listener, guest: Streams, server: Streams, first: bytes, scan: Scan | None
    ) -> None:
        """Pass everything on in both directions, until both have ended."""
        (reader, writer), (upstream_reader, upstream) = guest, server
        both: tuple[asyncio.Future[None], ...] = ()
        try:
            upstream.write(first)
            upward = (
                copy(reader, upstream, scan) if first else self._copy_checked(listener, reader, upstream)
            )
            both = (asyncio.ensure_future(upward), asyncio.ensure_future(copy(upstream_reader, writer)))
            await asyncio.gather(*both)
            async with asyncio.timeout(_FLUSH):
                for each_end in (writer, upstream):
                    each_end.close()
                    await each_end.wait_closed()
        finally:
            for each in both:
                each.cancel()

    @contextlib.asynccontextmanager
    async def _upstream(self, listener: _Listener, name: str, first: bytes) -> AsyncIterator[Streams]:
        """The connection to the server; to the injector, where that takes the connections to it."""
        address, port = listener.address, listener.port
        host = LOOPBACK if address == self._policy().gateway else str(address)
        serving: asyncio.Future[None] | None = None
        if name and self.injector is not None and self.injector.takes(name, port):
            ours, its = socket.socketpair()
            ours.setblocking(False)
            its.setblocking(False)
            server = Server(name, address, port, host)
            serving = asyncio.ensure_future(self.injector.serve(its, server, client_hello.protocols(first)))
            reader, writer = await asyncio.open_connection(sock=ours, limit=AT_ONCE)
        else:
            async with asyncio.timeout(_CONNECT):
                reader, writer = await asyncio.open_connection(host, port, limit=AT_ONCE)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            if serving is not None:
                await cancel_and_wait(serving)

    def _scan(self, listener: _Listener) -> Scan | None:
        """Looks for placeholders in what is sent in the open, which no server gets."""
        if self.injector is None:
            return None
        scan = StreamScan(self.injector.passing(), "in the open")

        def check(data: bytes) -> None:
            try:
                scan.feed(data)
            except Misplaced as misplaced:
                attempt = Attempt("secret", f"secret {misplaced.secret}: {misplaced.reason}",
                                  str(listener.address), listener.port)  # fmt: skip
                self._refusals.add(attempt)
                raise ConnectionRefusedError from None

        return check

    async def _copy_checked(
        self, listener: _Listener, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter
    ) -> None:
        """For a port of which it is not known who speaks first, and what: only TLS is checked."""
        first = await reader.read(AT_ONCE)
        if first[:1] == bytes([HANDSHAKE_RECORD]):
            _, first = await self._checked(listener, reader, first)
            scan = None
        else:
            scan = self._scan(listener)
            if scan is not None:
                scan(first)
        upstream.write(first)
        await copy(reader, upstream, scan)

    async def _checked(
        self, listener: _Listener, reader: asyncio.StreamReader, data: bytes
    ) -> tuple[str, bytes]:
        """The server's name, which may be reached there, and what is sent to it first.

        :raises Unreadable: when it is not.
        """
        pieces = 0
        try:
            async with asyncio.timeout(_FIRST_BYTES):
                while (found := _opening(listener.port, data)) is None:
                    if (pieces := pieces + 1) > _MOST_PIECES:
                        raise Unreadable("it names a server in too many pieces")
                    more = await reader.read(AT_ONCE)
                    if not more:
                        raise Unreadable("it ended before it named a server")
                    data += more
        except TimeoutError:
            raise Unreadable("it did not name a server in time") from None
        name, sent = found
        if name not in self._names(listener.address, listener.port):
            self._refuse(listener, "the server's name that it asks for is not allowed at this address", name)
            raise ConnectionRefusedError
        task = asyncio.current_task()
        if task in listener.connections:
            listener.connections[task] = frozenset({name})
        return name, sent

    def _refuse(self, listener: _Listener, reason: str, name: str = "") -> None:
        protocol = "http" if listener.port == _HTTP else "tls"
        self._refusals.add(Attempt(protocol, reason, str(listener.address), listener.port, name))


def _opening(port: int, data: bytes) -> tuple[str, bytes] | None:
    """The server's name in the first bytes of a connection, and what is sent in their place; None while they
    are not whole.

    :raises Unreadable: when they have no name.
    """
    if not data:
        return None
    if port == _HTTP:
        head = request_head.read_head(data)
        return None if head is None else (head.host, head.data)
    name = client_hello.server_name(data)
    return None if name is None else (name, data)


def _listening() -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.bind((LOOPBACK, 0))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
