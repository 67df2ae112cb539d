# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server that does as it is told, over UDP and TCP on one port."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable

from dnslib import QTYPE, RR, DNSRecord

Script = Callable[[DNSRecord, bool], Iterable[bytes]]


def answer(query: DNSRecord, *zone: str, rcode: int = 0, authority: str = "") -> bytes:
    reply = query.reply(aa=0)
    reply.header.rcode = rcode
    for line in zone:
        reply.add_answer(*RR.fromZone(line))
    if authority:
        reply.add_auth(*RR.fromZone(authority))
    return reply.pack()


def says(*zone: str, **more) -> Script:
    return lambda query, tcp: [answer(query, *zone, **more)]


def truncated_over_udp(*zone: str) -> Script:
    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        if tcp:
            return [answer(query, *zone)]
        reply = query.reply()
        reply.header.tc = 1
        return [reply.pack()]

    return script


def silence(query: DNSRecord, tcp: bool) -> list[bytes]:
    return []


class Upstream:
    """Keeps what it was asked as ``NAME/TYPE/transport``, and from which ports and with which ids."""

    def __init__(self, script: Script, address: str = "127.0.0.1", port: int = 0) -> None:
        self.script = script
        self.address = address
        self.lookup: list[str] = []
        self.sources: list[tuple[int, int]] = []
        self.udp, self.tcp = _one_port(address, port)
        self.port: int = self.udp.getsockname()[1]
        self._threads = [threading.Thread(target=serve, daemon=True) for serve in (self._udp, self._tcp)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        for each in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in it
            each.close()
        for thread in self._threads:
            thread.join()

    def _udp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, client = self.udp.recvfrom(4096)
                if not data:
                    return
                for reply in self._replies(data, client, tcp=False):
                    self.udp.sendto(reply, client)

    def _tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, client = self.tcp.accept()
                with connection, contextlib.suppress(struct.error, OSError):
                    (length,) = struct.unpack("!H", connection.recv(2))
                    for reply in self._replies(connection.recv(length), client, tcp=True):
                        connection.sendall(struct.pack("!H", len(reply)) + reply)

    def _replies(self, data: bytes, client: tuple[str, int], *, tcp: bool) -> Iterable[bytes]:
        try:
            query = DNSRecord.parse(data)
        except Exception:  # what dnslib cannot read, as odd types: REFUSED
            return [data[:2] + b"\x81\x05" + data[4:]]
        self.lookup.append(f"{query.q.qname}/{QTYPE[query.q.qtype]}/{'tcp' if tcp else 'udp'}")
        self.sources.append((client[1], query.header.id))
        return self.script(query, tcp)


def _one_port(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    while True:
        tcp = socket.create_server((address, port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind((address, tcp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            continue
        return udp, tcp
