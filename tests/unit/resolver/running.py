# SPDX-License-Identifier: GPL-3.0-or-later
"""A resolver in a thread of its own, and a client that blocks."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading

from dnslib import EDNS0, DNSRecord

from callao.resolver import Resolver


class Running:
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.udp, self.tcp = self._do(resolver.start())

    def close(self) -> None:
        self._do(self._resolver.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(
        self, name: str, qtype: str = "A", *, tcp: bool = False, size: int = 0, do: bool = False
    ) -> DNSRecord:
        query = question(name, qtype, size=size, do=do)
        data = query.send("127.0.0.1", self.tcp if tcp else self.udp, tcp=tcp, timeout=10)
        return DNSRecord.parse(data)

    def send(self, packet: bytes) -> bytes:
        """Over UDP, the answer's bytes."""
        with self.datagrams() as client:
            client.send(packet)
            return client.recv(65535)

    def datagrams(self) -> socket.socket:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(10)
        client.connect(("127.0.0.1", self.udp))
        return client

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.tcp), timeout=10)

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)


def question(name: str, qtype: str = "A", *, size: int = 0, do: bool = False) -> DNSRecord:
    query = DNSRecord.question(name, qtype)
    if size:
        query.add_ar(EDNS0(udp_len=size, flags="do" if do else ""))
    return query


def framed(packet: bytes) -> bytes:
    return struct.pack("!H", len(packet)) + packet


def read_framed(connection: socket.socket) -> bytes:
    """Empty at the end of the connection."""
    stream = b""
    while len(stream) < 2 or len(stream) < 2 + struct.unpack_from("!H", stream)[0]:
        missing = (
            2 - len(stream) if len(stream) < 2 else 2 + struct.unpack_from("!H", stream)[0] - len(stream)
        )
        data = connection.recv(missing)
        if not data:
            return b""
        stream += data
    return stream[2:]


def shown(reply: DNSRecord) -> list[str]:
    """The answers as ``NAME TYPE DATA``, without TTLs."""
    return [" ".join(str(rr).split()[:1] + str(rr).split()[3:]) for rr in reply.rr]
