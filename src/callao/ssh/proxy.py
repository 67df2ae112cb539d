# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.ssh.proxy TARGET…``: ssh's way to a guest's sshd, by the first target that answers.

A proxy command of ssh_config(5). A target is ``vsock:CID:PORT``, ``unix:PATH`` or ``tcp:ADDRESS:PORT``; the
earlier ones are preferred. A connection proves nothing: hypervisors accept for a guest that does not listen,
and for one that has no network yet. But sshd speaks first, so the target that is heard from is taken. Quick
to import.
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
"""Seconds that a target may be silent before the next one is tried as well."""

_CONNECTING = 15.0
"""Seconds for a connection."""

_CHUNK = 1 << 16
_HELD = 1 << 18
"""Bytes that wait for whoever does not read, in each direction."""


@dataclass(frozen=True)
class Target:
    """``connect`` raises OSError where there is none to be had; ``name`` is for people."""

    name: str
    connect: Callable[[], socket.socket]


def by_vsock(reach: Reach, cid: int, port: int) -> Reach:
    """By a virtual socket of the guest's, or by the port of ``reach`` where that does not answer."""
    return _by(f"vsock:{cid}:{port}", reach)


def by_unix_socket(reach: Reach, path: str) -> Reach:
    """By a unix socket that leads to the guest's sshd, or by the port where that does not answer."""
    return _by(unix_target(path), reach)


def unix_target(path: str) -> str:
    """As :func:`parse` reads it."""
    return f"unix:{path}"


def _by(target: str, reach: Reach) -> Reach:
    words = (sys.executable, "-P", "-m", "callao.ssh.proxy", target, f"tcp:{reach.address}:{reach.port}")
    return reach._replace(proxy_command=words)


def parse(text: str) -> Target:
    """:raises ValueError: for what is no target."""
    kind, _, place = text.partition(":")
    host, _, port = place.rpartition(":")
    match kind:
        case "unix" if place:
            return Target(text, lambda: _unix(place))
        case "vsock":
            cid, number = int(host), int(port)
            return Target(text, lambda: open_vsock(cid, number, _CONNECTING))
        case "tcp":
            address = (host, int(port))
            return Target(text, lambda: socket.create_connection(address, _CONNECTING))
    raise ValueError(f"{text!r}: no target (allowed: vsock:CID:PORT, unix:PATH, tcp:ADDRESS:PORT)")


def _unix(path: str) -> socket.socket:
    peer = unix_socket()
    try:
        peer.settimeout(_CONNECTING)
        peer.connect(path)
    except BaseException:
        peer.close()
        raise
    return peer


def run(targets: Sequence[Target]) -> int:
    """Pass bytes between standard input and output and the first target that answers; returns the exit
    status."""
    said = bytearray()
    failures: list[str] = []
    peer, greeting = _greeted(targets, said, failures)
    if peer is None:
        sys.stderr.write(f"no sshd answers: {'; '.join(failures)}\n")
        return 1
    with peer:
        _pass_bytes(peer, said, greeting)
    return 0


def _greeted(
    targets: Sequence[Target], said: bytearray, failures: list[str]
) -> tuple[socket.socket | None, bytes]:
    """The connection on which something came, and that.

    :param said: gets what our client says meanwhile; its end is ours, too.
    """
    left, open_ones = list(targets), dict[socket.socket, str]()
    next_one = 0.0
    try:
        while left or open_ones:
            now = time.monotonic()
            if left and (not open_ones or now >= next_one):
                target, next_one = left.pop(0), now + _HEAD_START
                try:
                    peer = target.connect()
                except OSError as error:
                    failures.append(f"{target.name}: {error.strerror or error}")
                    continue
                open_ones[peer] = target.name
            wait = max(0.0, next_one - time.monotonic()) if left else None
            readers: list[socket.socket | int] = [*open_ones, *([0] if len(said) < _HELD else [])]
            for ready in select.select(readers, [], [], wait)[0]:
                if isinstance(ready, int):
                    piece = os.read(ready, _CHUNK)
                    if not piece:
                        return None, b""
                    said += piece
                    continue
                if data := _received(ready):
                    del open_ones[ready]
                    return ready, data
                failures.append(f"{open_ones.pop(ready)}: closed the connection")
                ready.close()
    finally:
        for each in open_ones:
            each.close()
    return None, b""


def _received(peer: socket.socket) -> bytes:
    with suppress(OSError):
        return peer.recv(_CHUNK)
    return b""


@dataclass
class _Direction:
    """Bytes from one descriptor to another; ``done`` once the end has been passed on."""

    source: int
    sink: int
    waiting: bytearray
    ended: bool = False
    done: bool = False

    def read(self) -> None:
        try:
            data = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.ended = not data
        self.waiting += data

    def write(self) -> None:
        try:
            del self.waiting[: os.write(self.sink, self.waiting[:_CHUNK])]
        except BlockingIOError:
            return
        except OSError:
            self.waiting.clear()
            self.ended = True


def _pass_bytes(peer: socket.socket, said: bytearray, greeting: bytes) -> None:
    """Until the peer has nothing more to say; the end of our input is passed on."""
    number = peer.fileno()
    there = _Direction(0, number, said)
    back = _Direction(number, 1, bytearray(greeting))
    if sys.platform == "win32":
        raise unsupported("a proxy command")
    for descriptor in (0, 1, number):
        os.set_blocking(descriptor, False)
    while not (back.ended and not back.waiting):
        if there.ended and not there.waiting and not there.done:
            there.done = True
            _end_writing(peer)
        readers = [each for each in (there, back) if not each.ended and len(each.waiting) < _HELD]
        writers = [each for each in (there, back) if each.waiting]
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
