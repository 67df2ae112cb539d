# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's program as a process, and the host's side of its channel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.waiting import PATIENCE

from callao.guest.frames import Decoder, encode
from callao.guest.zipapp import zipapp_bytes


@dataclass
class Host:
    """A host that has connected; ``listeners`` is what it has been told."""

    socket: socket.socket
    listeners: set[tuple[Any, ...]] = field(default_factory=set)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    decoder: Decoder = field(default_factory=Decoder)

    def send(self, **message: Any) -> None:
        self.socket.sendall(encode(message))

    def next(self) -> dict[str, Any]:
        while not self.waiting:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError("the program hung up")
            self.waiting += [each for each in self.decoder.feed(data) if isinstance(each, dict)]
        message = self.waiting.pop(0)
        if message["type"] == "hello":
            self.listeners.clear()
        if message["type"] == "listeners":
            self.listeners -= {tuple(each) for each in message["removed"]}
            self.listeners |= {tuple(each) for each in message["added"]}
        return message

    def until_left(self) -> None:
        """Whatever else comes."""
        while True:
            self.next()

    def flood(self) -> None:
        """Ask, and never listen."""
        while True:
            self.send(type="ping", id="x" * 1000)

    def expect(self, kind: str) -> dict[str, Any]:
        """The next message of a type; what comes before it is taken note of."""
        while (message := self.next())["type"] != kind:
            pass
        return message

    def look(self) -> set[tuple[Any, ...]]:
        """The listeners by now."""
        self.send(type="scan")
        self.send(type="ping", id="looked")
        self.expect("pong")
        return self.listeners


@dataclass
class Program:
    process: subprocess.Popen[str]
    path: Path

    @contextmanager
    def host(self) -> Iterator[Host]:
        """Connect, and read what it says first: hello and all listeners."""
        with self.connected() as host:
            host.expect("hello")
            host.expect("listeners")
            yield host

    @contextmanager
    def connected(self) -> Iterator[Host]:
        deadline = time.monotonic() + PATIENCE
        with socket.socket(socket.AF_UNIX) as near:
            near.settimeout(PATIENCE)
            while True:
                try:
                    near.connect(str(self.path))
                    break
                except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                    assert self.process.poll() is None, self.process.stderr.read()
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
            yield Host(near)

    def terminate(self) -> tuple[int, str]:
        """Its status and what it said on stderr."""
        self.process.terminate()
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said


@contextmanager
def program(
    folder: Path,
    *,
    python: str = sys.executable,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    packed, path = folder / "guest.pyz", folder / "guest.sock"
    packed.write_bytes(zipapp_bytes())
    process = subprocess.Popen(
        [*prefix, python, "-IS", str(packed), f"unix:{path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield Program(process, path)
    finally:
        process.kill()
        process.communicate()
