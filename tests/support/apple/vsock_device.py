# SPDX-License-Identifier: GPL-3.0-or-later
"""A vsock device (Virtual I/O Device 1.1, section 5.10) whose host side is unix sockets.

A *connect* port: a unix socket on which a caller is led to the guest's port. A *listen* port: a guest that
calls the host's port is led to a unix socket.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.apple.vhost_user import BackEnd

PACKET = struct.Struct("<QQIIIHHIII")
HOST, GUEST = 2, 3
STREAM = 1
REQUEST, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST = range(1, 8)
NO_MORE_RECEIVED, NO_MORE_SENT = 1, 2
BUFFER = 1 << 18
"""Bytes that a connection holds of what its unix socket has not taken."""
PIECE = 1 << 15
FIRST_PORT = 1 << 20
RECEIVE, TRANSMIT = 0, 1


@dataclass
class Stream:
    """One connection. ``sent``, ``forwarded`` and the peer's are byte counts, modulo 2**32."""

    guest_port: int
    host_port: int
    socket: socket.socket
    connected: bool = False
    ended: bool = False
    closing: bool = False
    sent: int = 0
    forwarded: int = 0
    told: int = 0
    peer_space: int = 0
    peer_forwarded: int = 0
    unwritten: bytearray = field(default_factory=bytearray)
    no_more: bool = False

    @property
    def credit(self) -> int:
        return self.peer_space - ((self.sent - self.peer_forwarded) & 0xFFFFFFFF)


class VsockDevice:
    """``peer``: the end of a pair of sockets of which QEMU has the other."""

    def __init__(self, peer: socket.socket) -> None:
        self._back_end = BackEnd(peer, struct.pack("<Q", GUEST), self._kicked)
        self._streams: dict[tuple[int, int], Stream] = {}
        self._replies: deque[bytes] = deque()
        self._listening: dict[int, str] = {}
        self._servers: list[tuple[socket.socket, str]] = []
        self._next_port = FIRST_PORT

    def start(self) -> None:
        self._back_end.start()

    def close(self) -> None:
        for stream in list(self._streams.values()):
            self._drop(stream)
        for server, path in self._servers:
            asyncio.get_running_loop().remove_reader(server)
            server.close()
            Path(path).unlink(missing_ok=True)
        self._back_end.close()

    def connect(self, port: int, path: str) -> None:
        """Lead callers at a unix socket to the guest's port.

        :raises OSError: when the socket cannot be made.
        """
        server = socket.socket(socket.AF_UNIX)
        try:
            server.bind(path)
        except OSError:
            server.close()
            raise
        server.listen(64)
        self._servers.append((server, path))
        asyncio.get_running_loop().add_reader(server, self._accept, server, port)

    def listen(self, port: int, path: str) -> None:
        """Lead a guest that calls the host's port to a unix socket."""
        self._listening[port] = path

    def _accept(self, server: socket.socket, port: int) -> None:
        caller, _ = server.accept()
        caller.setblocking(False)
        stream = Stream(port, self._next_port, caller)
        self._next_port += 1
        self._streams[stream.guest_port, stream.host_port] = stream
        self._send(stream, REQUEST)

    def _kicked(self, index: int) -> None:
        if index == TRANSMIT:
            self._hear()
        self._flush()

    def _hear(self) -> None:
        queue = self._back_end.queues[TRANSMIT]
        heard = False
        while (chain := queue.take()) is not None:
            data = queue.read(chain)
            queue.give_back(chain, 0)
            heard = True
            self._packet(data)
        if heard:
            queue.notify()

    def _packet(self, data: bytes) -> None:
        _, to, guest_port, host_port, size, kind, op, flags, space, forwarded = PACKET.unpack_from(data)
        key = (guest_port, host_port)
        stream = self._streams.get(key)
        if op == REQUEST and stream is None:
            stream = self._called(guest_port, host_port) if (to, kind) == (HOST, STREAM) else None
        if stream is None:
            if op != RST:
                self._reply(guest_port, host_port, RST)
            return
        stream.peer_space, stream.peer_forwarded = space, forwarded
        match op:
            case 1:  # REQUEST
                stream.connected = True
                self._send(stream, RESPONSE)
                self._watch(stream)
            case 2:  # RESPONSE
                stream.connected = True
                self._watch(stream)
            case 3:  # RST
                self._drop(stream)
            case 4:  # SHUTDOWN
                self._shut(stream, flags)
            case 5:  # RW
                stream.unwritten += data[PACKET.size : PACKET.size + size]
                self._write(stream)
            case 6:  # CREDIT_UPDATE
                self._watch(stream)
            case 7:  # CREDIT_REQUEST
                self._send(stream, CREDIT_UPDATE)

    def _called(self, guest_port: int, host_port: int) -> Stream | None:
        path = self._listening.get(host_port)
        if path is None:
            return None
        callee = socket.socket(socket.AF_UNIX)
        try:
            callee.connect(path)
        except OSError:
            callee.close()
            return None
        callee.setblocking(False)
        stream = Stream(guest_port, host_port, callee)
        self._streams[guest_port, host_port] = stream
        return stream

    def _watch(self, stream: Stream) -> None:
        """Read from the unix socket while the guest has space for it."""
        loop = asyncio.get_running_loop()
        if stream.connected and not stream.ended and stream.credit > 0:
            loop.add_reader(stream.socket, self._read, stream)
        else:
            loop.remove_reader(stream.socket)

    def _read(self, stream: Stream) -> None:
        if self._replies:  # the guest offers no buffers: what it has not taken goes first
            asyncio.get_running_loop().remove_reader(stream.socket)
            return
        try:
            data = stream.socket.recv(min(PIECE, stream.credit))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            stream.sent = (stream.sent + len(data)) & 0xFFFFFFFF
            self._send(stream, RW, data)
        else:
            stream.ended = True
            self._send(stream, SHUTDOWN, flags=NO_MORE_SENT)
        self._watch(stream)

    def _write(self, stream: Stream) -> None:
        loop = asyncio.get_running_loop()
        try:
            count = stream.socket.send(stream.unwritten) if stream.unwritten else 0
        except BlockingIOError:
            count = 0
        except OSError:
            self._send(stream, RST)
            self._drop(stream)
            return
        del stream.unwritten[:count]
        stream.forwarded = (stream.forwarded + count) & 0xFFFFFFFF
        if (stream.forwarded - stream.told) & 0xFFFFFFFF >= BUFFER // 4:
            self._send(stream, CREDIT_UPDATE)
        if stream.unwritten:
            loop.add_writer(stream.socket, self._write, stream)
            return
        loop.remove_writer(stream.socket)
        if stream.no_more:
            with suppress(OSError):
                stream.socket.shutdown(socket.SHUT_WR)
        if stream.closing:
            self._send(stream, RST)
            self._drop(stream)

    def _shut(self, stream: Stream, flags: int) -> None:
        stream.no_more = stream.no_more or bool(flags & NO_MORE_SENT)
        stream.ended = stream.ended or bool(flags & NO_MORE_RECEIVED)
        stream.closing = stream.no_more and bool(flags & NO_MORE_RECEIVED)
        self._write(stream)

    def _drop(self, stream: Stream) -> None:
        self._streams.pop((stream.guest_port, stream.host_port), None)
        loop = asyncio.get_running_loop()
        loop.remove_reader(stream.socket)
        loop.remove_writer(stream.socket)
        stream.socket.close()

    def _send(self, stream: Stream, op: int, data: bytes = b"", flags: int = 0) -> None:
        stream.told = stream.forwarded
        self._reply(stream.guest_port, stream.host_port, op, data, flags, stream.forwarded)

    def _reply(
        self, guest_port: int, host_port: int, op: int, data: bytes = b"", flags: int = 0, forwarded: int = 0
    ) -> None:
        head = PACKET.pack(
            HOST, GUEST, host_port, guest_port, len(data), STREAM, op, flags, BUFFER, forwarded
        )
        self._replies.append(head + data)
        self._flush()

    def _flush(self) -> None:
        """Put what waits into the buffers that the guest offers."""
        queue = self._back_end.queues[RECEIVE]
        filled = False
        while self._replies and (chain := queue.take()) is not None:
            packet = self._replies.popleft()
            if len(packet) > chain.space:
                packet, rest = self._split(packet, chain.space)
                self._replies.appendleft(rest)
            queue.fill(chain, packet)
            queue.give_back(chain, len(packet))
            filled = True
        if filled:
            queue.notify()
            if not self._replies:
                for stream in list(self._streams.values()):
                    self._watch(stream)

    @staticmethod
    def _split(packet: bytes, space: int) -> tuple[bytes, bytes]:
        fields = list(PACKET.unpack_from(packet))
        data = packet[PACKET.size :]
        room = space - PACKET.size
        first, second = list(fields), list(fields)
        first[4], second[4] = room, len(data) - room
        return PACKET.pack(*first) + data[:room], PACKET.pack(*second) + data[room:]
