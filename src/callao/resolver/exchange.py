# SPDX-License-Identifier: GPL-3.0-or-later
"""One question to one name server: UDP first, TCP for what does not fit (RFC 7766 section 5)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import struct
from collections.abc import Callable

from callao.resolver import message as dns
from callao.resolver.decoding import read_answer
from callao.resolver.encoding import write_query
from callao.resolver.message import Answer, Lookup
from callao.resolver.nameservers import Server

Reader = Callable[[bytes], Answer | None]


async def exchange(server: Server, lookup: Lookup) -> Answer:
    """The server's answer. Has no timeout of its own.

    A server that does not support EDNS is asked again without it (RFC 6891 section 6.2.2).

    :raises OSError: when the server cannot be reached.
    """
    answer = await _once(server, lookup, edns=True)
    if answer.rcode in (dns.FORMERR, dns.NOTIMP):
        return await _once(server, dataclasses.replace(lookup, dnssec=False), edns=False)
    return answer


async def _once(server: Server, lookup: Lookup, *, edns: bool) -> Answer:
    """One message, with a random id and source port (RFC 5452 section 9)."""
    message_id = secrets.randbits(16)
    packet = write_query(lookup, message_id, edns=edns)

    def read(data: bytes) -> Answer | None:
        return read_answer(data, message_id, lookup.question)

    answer = await _over_udp(server, packet, read)
    return await _over_tcp(server, packet, read) if answer.truncated else answer


class _UdpExchange(asyncio.DatagramProtocol):
    """Accepts the first datagram that answers the question; others may be forged or late."""

    def __init__(self, read: Reader, outcome: asyncio.Future[Answer]) -> None:
        self._read = read
        self._outcome = outcome

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 # asyncio's signature
        answer = self._read(data)
        if answer and not self._outcome.done():
            self._outcome.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(exc)


async def _over_udp(server: Server, packet: bytes, read: Reader) -> Answer:
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Answer] = loop.create_future()
    # A connected socket: the kernel drops datagrams from other addresses.
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _UdpExchange(read, outcome), remote_addr=(server.address, server.port)
    )
    try:
        transport.sendto(packet)
        return await outcome
    finally:
        transport.close()


async def _over_tcp(server: Server, packet: bytes, read: Reader) -> Answer:
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        writer.write(struct.pack("!H", len(packet)) + packet)
        while True:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            answer = read(await reader.readexactly(length))
            if answer and not answer.truncated:
                return answer
    except EOFError as error:
        raise ConnectionError(f"{server.address} ended the connection without an answer") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
