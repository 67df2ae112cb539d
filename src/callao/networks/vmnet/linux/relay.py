# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch between the TAP device and the guests' sockets; a guest is not trusted."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from dataclasses import dataclass, field

from callao.networks.usernet.dhcp import DhcpServer
from callao.networks.usernet.guard import Guard, Verdict
from callao.networks.usernet.packets import LENGTH, LONGEST_STREAM_FRAME, SHORTEST

_READ = 1 << 16
"""Bytes that one guest may send before it is the others' turn."""

_TURNS = 64
"""Frames of the TAP device before it is the guests' turn."""

_PENDING = 1 << 20
"""Bytes that wait for a guest that does not read; more is dropped, as by a full queue of a switch."""

_MOST_MACS = 64
"""Addresses of one guest: its own, and those of containers in it."""

_MOST_PORTS = 256
"""Guests; a further connection is closed, so that members of the group cannot use up root's descriptors."""


@dataclass(frozen=True)
class SubnetServices:
    """What the switch does in a network whose addresses the host gives."""

    guard: Guard
    dhcp: DhcpServer


@dataclass(eq=False)
class Port:
    """One guest's socket, or the TAP device, which has none."""

    stream: socket.socket | None
    received: bytearray = field(default_factory=bytearray)
    pending: bytearray = field(default_factory=bytearray)
    macs: set[bytes] = field(default_factory=set)


class Relay:
    """Forwards frames until :meth:`end` is called.

    :param tap_macs: addresses that no guest may have.
    :param services: None in a network of others, which has its own.
    """

    def __init__(
        self, server: socket.socket, tap: int, tap_macs: set[bytes], services: SubnetServices | None
    ) -> None:
        self._server, self._tap, self._services = server, tap, services
        self._host = Port(None, macs=set(tap_macs))
        self._ports: list[Port] = []
        self._by_mac: dict[bytes, Port] = dict.fromkeys(tap_macs, self._host)
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ)
        self._selector.register(tap, selectors.EVENT_READ)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)

    def end(self) -> None:
        """Have :meth:`run` return; for a signal handler."""
        self._wake.send(b"\0")

    def run(self) -> None:
        while True:
            for key, events in self._selector.select():
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._server:
                    self._accept()
                elif key.fileobj == self._tap:
                    self._read_tap()
                elif isinstance(key.data, Port) and key.data in self._ports:
                    self._serve(key.data, events)

    def _accept(self) -> None:
        try:
            stream, _ = self._server.accept()
        except OSError:
            return
        if len(self._ports) >= _MOST_PORTS:
            stream.close()
            return
        stream.setblocking(False)
        port = Port(stream)
        self._ports.append(port)
        self._selector.register(stream, selectors.EVENT_READ, port)

    def _serve(self, port: Port, events: int) -> None:
        assert port.stream is not None
        if events & selectors.EVENT_WRITE:
            self._flush(port)
        if not events & selectors.EVENT_READ:
            return
        try:
            data = port.stream.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        port.received += data
        if not data or not self._frames(port):
            self._drop(port)

    def _frames(self, port: Port) -> bool:
        """Forward the whole frames that have come; False when the stream is not one of frames."""
        data, at = port.received, 0
        while len(data) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(data, at)
            if not SHORTEST <= length <= LONGEST_STREAM_FRAME:
                return False
            end = at + LENGTH.size + length
            if end > len(data):
                break
            self._from_guest(port, bytes(data[at + LENGTH.size : end]))
            at = end
        del data[:at]
        return True

    def _from_guest(self, port: Port, frame: bytes) -> None:
        source = frame[6:12]
        owner = self._by_mac.get(source)
        if owner is None and not source[0] & 1 and len(port.macs) < _MOST_MACS:
            self._by_mac[source] = owner = port
            port.macs.add(source)
        if owner is not port:
            return  # another's address, or one too many
        services = self._services
        if services is None:
            self._forward(port, frame)
            return
        match services.guard.verdict(frame):
            case Verdict.DROP:
                pass
            case Verdict.TO_GATEWAY:
                self._send(self._host, frame)
            case Verdict.DHCP:
                answer = services.dhcp.serve(source, frame)
                if answer is not None:
                    self._send(port, answer)
            case Verdict.FORWARD:
                self._forward(port, frame)

    def _forward(self, port: Port, frame: bytes) -> None:
        known = self._by_mac.get(frame[:6])
        targets = [known] if known is not None else [self._host, *self._ports]
        for each in targets:
            if each is not port:
                self._send(each, frame)

    def _send(self, port: Port, frame: bytes) -> None:
        if port.stream is None:
            with contextlib.suppress(OSError):  # too long, or its queue is full: lost, as on any wire
                os.write(self._tap, frame)
            return
        if len(port.pending) + len(frame) > _PENDING:
            return
        idle = not port.pending
        port.pending += LENGTH.pack(len(frame)) + frame
        if idle:
            self._flush(port)

    def _flush(self, port: Port) -> None:
        assert port.stream is not None
        try:
            sent = port.stream.send(port.pending)
        except BlockingIOError:
            sent = 0
        except OSError:
            port.pending.clear()  # the reader's end is told when it is read
            sent = 0
        del port.pending[:sent]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if port.pending else 0)
        self._selector.modify(port.stream, events, port)

    def _read_tap(self) -> None:
        for _ in range(_TURNS):
            try:
                frame = os.read(self._tap, LONGEST_STREAM_FRAME)
            except OSError:
                return
            source = frame[6:12]
            if source not in self._by_mac and len(self._host.macs) < 16 * _MOST_MACS:
                self._by_mac[source] = self._host
                self._host.macs.add(source)
            self._forward(self._host, frame)

    def _drop(self, port: Port) -> None:
        assert port.stream is not None
        self._selector.unregister(port.stream)
        port.stream.close()
        self._ports.remove(port)
        for mac in port.macs:
            self._by_mac.pop(mac, None)
            if self._services is not None:
                self._services.dhcp.forget(mac)
