# SPDX-License-Identifier: GPL-3.0-or-later
"""The real program at one end of a socket pair, and two clients for the other end."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paramiko import SFTPClient
from paramiko.message import Message
from paramiko.sftp import int64
from sftp.loaded import Served, serve

REFUSED = (PermissionError, FileNotFoundError)

CANARY = "the-canary-of-the-outside"


@dataclass(frozen=True)
class World:
    """A shared directory, and what lies beside it."""

    share: Path
    secret: Path

    def at(self, *names: str) -> str:
        return str(self.share.joinpath(*names))


def world(folder: Path) -> World:
    here = World(folder / "share", folder / "secret")
    for outside in (here.secret, folder / "share-too"):
        (outside / "deep").mkdir(parents=True)
        for name in ("file", "deep/file"):
            (outside / name).write_text(f"{CANARY} {name}")
    (here.share / "sub" / "deep").mkdir(parents=True)
    (here.share / "file").write_text("ours")
    (here.share / "sub" / "file").write_text("ours too")
    return here


class Named(socket.socket):
    """A socket with what paramiko's client asks of a channel."""

    def get_name(self) -> str:
        return "test"

    def recv_ready(self) -> bool:
        return bool(select.select([self], [], [], 0)[0])


@contextlib.contextmanager
def program(here: World, *flags: str) -> Iterator[tuple[socket.socket, Served]]:
    """Forked from one that is loaded, which takes long; it has to end by itself, without a word."""
    ours, theirs = socket.socketpair()
    with Named(fileno=ours.detach()) as ours:
        with theirs:
            child = serve(["--root", str(here.share), *flags], theirs)
        ours.settimeout(20)
        try:
            yield ours, child
            ours.shutdown(socket.SHUT_WR)
            assert child.wait() == 0
            assert child.words() == b""
        finally:
            child.close()


@contextlib.contextmanager
def client(here: World, *flags: str) -> Iterator[SFTPClient]:
    with program(here, *flags) as (ours, _child):
        yield SFTPClient(ours)


class Wire:
    """A client that says whatever it is told to."""

    def __init__(self, ours: socket.socket) -> None:
        self.socket = ours
        self.send(struct.pack(">BI", 1, 3))
        self.version = self.receive()
        self.heard = bytearray()
        self._number = 0

    def send(self, packet: bytes) -> None:
        self.socket.sendall(struct.pack(">I", len(packet)) + packet)

    def receive(self) -> bytes:
        return self._exactly(struct.unpack(">I", self._exactly(4))[0])

    def ask(self, kind: int, *fields: int | str | bytes) -> tuple[int, bytes]:
        """The answer's kind, and what follows its number."""
        self._number += 1
        self.send(packet(kind, self._number, *fields))
        found = self.receive()
        self.heard += found
        assert struct.unpack(">I", found[1:5])[0] == self._number
        return found[0], found[5:]

    def code(self, kind: int, *fields: int | str | bytes) -> int:
        """The code of an answer that is a status."""
        found, rest = self.ask(kind, *fields)
        assert found == 101
        return int(struct.unpack(">I", rest[:4])[0])

    def handle(self, kind: int, *fields: int | str | bytes) -> bytes:
        """The handle that an answer gives."""
        found, rest = self.ask(kind, *fields)
        assert found == 102, rest
        return rest[4:]

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            more = self.socket.recv(size - len(found))
            if not more:
                raise EOFError
            found += more
        return bytes(found)


def packet(kind: int, number: int, *fields: int | str | bytes) -> bytes:
    message = Message()
    message.add_int(number)
    for field in fields:
        if isinstance(field, int64):
            message.add_int64(field)
        elif isinstance(field, int):
            message.add_int(field)
        else:
            message.add_string(field)
    return bytes([kind]) + message.asbytes()


def outside(here: World) -> dict[str, tuple[object, ...]]:
    """All that a client could have changed there."""
    found = {}
    folders = (here.secret, here.share.with_name("share-too"))
    for path in (here.share.parent, *folders, *(one for folder in folders for one in folder.rglob("*"))):
        stat = path.lstat()
        text = path.read_text() if path.is_file() else ""
        found[str(path)] = (stat.st_mode, stat.st_nlink, stat.st_uid, stat.st_mtime, text)
    return found
