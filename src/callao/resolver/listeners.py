# SPDX-License-Identifier: GPL-3.0-or-later
"""Receives queries over UDP and TCP (RFC 7766)."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import cast

from callao.resolver.responder import Responder

MAX_CONNECTIONS = 256
MAX_UNANSWERED = 64
"""Queries of one connection that wait for answers; no more are read until there are fewer."""


class UdpListener(asyncio.DatagramProtocol):
    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.create_task(self._serve(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        if self._transport:
            self._transport.close()
        await _end(self._tasks)

    async def _serve(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = await self._responder.respond(data, tcp=False)
        if answer and self._transport:
            self._transport.sendto(answer, addr)


class TcpListener:
    """:param idle: seconds without a whole query after which a connection ends."""

    def __init__(self, responder: Responder, *, idle: float) -> None:
        self._responder = responder
        self._idle = idle
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= MAX_CONNECTIONS:
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        await _end(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Sends answers in the order in which they are found (RFC 7766 section 6.2.1.1)."""
        answering: set[asyncio.Task[None]] = set()
        try:
            while query := await self._next(reader):
                task = asyncio.create_task(self._answer(query, writer))
                answering.add(task)
                task.add_done_callback(answering.discard)
                if len(answering) >= MAX_UNANSWERED:
                    await asyncio.wait(answering, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.gather(*answering)
        finally:
            await _end(answering)
            writer.close()

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        """The next query; empty when the client closes the connection, or is idle too long."""
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):  # TimeoutError is one, too
            async with asyncio.timeout(self._idle):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                return await reader.readexactly(length)
        return b""

    async def _answer(self, query: bytes, writer: asyncio.StreamWriter) -> None:
        answer = await self._responder.respond(query, tcp=True)
        if answer is None:
            return
        writer.write(struct.pack("!H", len(answer)) + answer)
        try:
            async with asyncio.timeout(self._idle):
                await writer.drain()
        except OSError:  # it is gone, or sends and does not read
            writer.transport.abort()


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
