# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.ssh.proxy TARGET…``: connects ssh to a guest's sshd by the first target that answers.

A proxy command of ssh_config(5). A target is ``vsock:CID:PORT``, ``unix:PATH`` or ``tcp:ADDRESS:PORT``; the
earlier ones are preferred. A connection proves nothing: hypervisors accept it for a guest that does not
listen, and for one that has no network yet. But sshd sends first, so the target from which data arrives
first is used. Imports little, for quick commands.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from callao.errors import unsupported
from callao.reach import Reach
from callao.system import open_vsock, unix_socket

_HEAD_START = 3.0
"""Seconds without data from a target before the next one is tried as well."""

_CONNECT_TIMEOUT = 15.0
"""Seconds for a connection."""

_CHUNK = 1 << 16
_BUFFER_LIMIT = 1 << 18
"""Largest number of bytes that are buffered in each direction."""


@dataclass(frozen=True)
class ProxyTarget:
    """``connect`` raises OSError when it fails; ``name`` is for messages."""

    name: str
    connect: Callable[[], socket.socket]


def by_vsock(reach: Reach, cid: int, port: int) -> Reach:
    """Connect by the guest's vsock(7), or by the port of ``reach`` if that does not answer."""
    return _with_proxy_command(f"vsock:{cid}:{port}", reach)


def by_unix_socket(reach: Reach, path: str) -> Reach:
    """Connect by a unix socket that is forwarded to the guest's sshd, or by the port if that does not
    answer.
    """
    return _with_proxy_command(unix_target(path), reach)


def unix_target(path: str) -> str:
    """The target of a unix socket in the syntax that :func:`parse` reads."""
    return f"unix:{path}"


def _with_proxy_command(target: str, reach: Reach) -> Reach:
    command = (sys.executable, "-P", "-m", "callao.ssh.proxy", target, f"tcp:{reach.address}:{reach.port}")
    return reach._replace(proxy_command=command)


def parse(text: str) -> ProxyTarget:
    """:raises ValueError: when the text is not a valid target."""
    kind, _, address = text.partition(":")
    host, _, port = address.rpartition(":")
    match kind:
        case "unix" if address:
            return ProxyTarget(text, lambda: _unix(address))
        case "vsock":
            cid, number = int(host), int(port)
            return ProxyTarget(text, lambda: open_vsock(cid, number, _CONNECT_TIMEOUT))
        case "tcp":
            host_port = (host, int(port))
            return ProxyTarget(text, lambda: socket.create_connection(host_port, _CONNECT_TIMEOUT))
    raise ValueError(f"{text!r}: no target (allowed: vsock:CID:PORT, unix:PATH, tcp:ADDRESS:PORT)")


def _unix(path: str) -> socket.socket:
    peer = unix_socket()
    try:
        peer.settimeout(_CONNECT_TIMEOUT)
        peer.connect(path)
    except BaseException:
        peer.close()
        raise
    return peer


def run(targets: Sequence[ProxyTarget]) -> int:
    """Pass bytes between standard input and output and the first target that answers; returns the exit
    status."""
    client_data = bytearray()
    failures: list[str] = []
    peer, first_data = _first_answer(targets, client_data, failures)
    if peer is None:
        sys.stderr.write(f"no sshd answers: {'; '.join(failures)}\n")
        return 1
    with peer:
        _pass_bytes(peer, client_data, first_data)
    return 0


def _first_answer(
    targets: Sequence[ProxyTarget], client_data: bytearray, failures: list[str]
) -> tuple[socket.socket | None, bytes]:
    """The connection on which data arrived first, and the data; None if no target answers, or standard input
    ends.

    :param client_data: receives what arrives on standard input meanwhile.
    """
    remaining, connections = list(targets), dict[socket.socket, str]()
    next_connect_at = 0.0
    try:
        while remaining or connections:
            now = time.monotonic()
            if remaining and (not connections or now >= next_connect_at):
                target, next_connect_at = remaining.pop(0), now + _HEAD_START
                try:
                    peer = target.connect()
                except OSError as error:
                    failures.append(f"{target.name}: {error.strerror or error}")
                    continue
                connections[peer] = target.name
            wait = max(0.0, next_connect_at - time.monotonic()) if remaining else None
            readers: list[socket.socket | int] = [
                *connections,
                *([0] if len(client_data) < _BUFFER_LIMIT else []),
            ]
            for ready in select.select(readers, [], [], wait)[0]:
                if isinstance(ready, int):
                    data = os.read(ready, _CHUNK)
                    if not data:
                        return None, b""
                    client_data += data
                    continue
                if data := _received(ready):
                    del connections[ready]
                    return ready, data
                failures.append(f"{connections.pop(ready)}: closed the connection")
                ready.close()
    finally:
        for each in connections:
            each.close()
    return None, b""


def _received(peer: socket.socket) -> bytes:
    with suppress(OSError):
        return peer.recv(_CHUNK)
    return b""


@dataclass
class _Direction:
    """Copies bytes from one descriptor to another; ``end_passed_on``: the end of file was passed on."""

    source: int
    sink: int
    buffer: bytearray
    at_end: bool = False
    end_passed_on: bool = False

    def read(self) -> None:
        try:
            data = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.at_end = not data
        self.buffer += data

    def write(self) -> None:
        try:
            del self.buffer[: os.write(self.sink, self.buffer[:_CHUNK])]
        except BlockingIOError:
            return
        except OSError:
            self.buffer.clear()
            self.at_end = True


def _pass_bytes(peer: socket.socket, client_data: bytearray, first_data: bytes) -> None:
    """Copy both directions until the guest's side has ended; the end of standard input is passed on."""
    number = peer.fileno()
    to_guest = _Direction(0, number, client_data)
    from_guest = _Direction(number, 1, bytearray(first_data))
    if sys.platform == "win32":
        raise unsupported("a proxy command")
    for descriptor in (0, 1, number):
        os.set_blocking(descriptor, False)
    while not (from_guest.at_end and not from_guest.buffer):
        if to_guest.at_end and not to_guest.buffer and not to_guest.end_passed_on:
            to_guest.end_passed_on = True
            _end_writing(peer)
        readers = [
            each for each in (to_guest, from_guest) if not each.at_end and len(each.buffer) < _BUFFER_LIMIT
        ]
        writers = [each for each in (to_guest, from_guest) if each.buffer]
        readable, writable, _ = select.select(
            [each.source for each in readers], [each.sink for each in writers], []
        )
        for each in readers:
            if each.source in readable:
                each.read()
        for each in writers:
            if each.sink in writable:
                each.write()


def _end_writing(peer: socket.socket) -> None:
    with suppress(OSError):
        peer.shutdown(socket.SHUT_WR)


def main(argv: Sequence[str]) -> int:
    """Returns the process's exit status."""
    try:
        targets = [parse(each) for each in argv]
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return run(targets)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
