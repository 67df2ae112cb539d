# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that means harm, many times over; CALLAO_FUZZ_SEED repeats a run."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import struct
import threading
from pathlib import Path

import pytest
from paramiko.sftp import int64
from served import CANARY, Wire, World, outside, packet, program

REQUESTS = 4_000
STATUS, HANDLE, OK = 101, 102, 0

NAMES = (
    *("a", "b", "c", "file", "sub", "deep", "link", "new") * 3,
    *("up", "out", "out", "outfile", "outfile", "slash", "hop") * 2,
    *("..", ".", "", "pipe", "secret", "share", "share-too"),
    *("\0", "..\0", "%2e%2e", "..\\", "~", "*", "x" * 256, "漢", "a\nb", "-rf", "../../.."),
    *(b"\xff", b"\xc0\xae\xc0\xae", b"..\xc0\xaf.."),
)

EXTENSIONS = ("posix-rename@openssh.com", "hardlink@openssh.com", "statvfs@openssh.com", "fsync@openssh.com")


class Guest:
    """Makes up requests."""

    def __init__(self, here: World, seed: int) -> None:
        self.dice = random.Random(seed)
        self.handles = [b"hx1", b"", b"\xff" * 300]
        share, secret = str(here.share), str(here.secret)
        self.starts = [share] * 12 + [f"{share}/..", secret, f"{share}-too", f"//{share}", "", ".."]
        self.starts += [f"/proc/self/root{share}", f"/proc/self/root{secret}", f"{share}/slash"]

    def path(self) -> bytes:
        names = self.dice.choices(NAMES, k=self.dice.choice((0, 1, 1, 1, 2, 2, 3, 6)))
        parts = (name if isinstance(name, bytes) else name.encode() for name in names)
        return b"/".join((self.dice.choice(self.starts).encode(), *parts))

    def target(self) -> bytes:
        """Of a link: a path, or the end of one."""
        path = self.path()
        return (
            path if self.dice.random() < 0.5 else b"../" * self.dice.randrange(4) + path[-20:].lstrip(b"/")
        )

    def attributes(self) -> list[int]:
        flags = self.dice.choice((0, 0, 1, 4, 8, 0x8000_0000, 0xFFFF_FFFF))
        fields: list[int] = [flags]
        fields += [int64(self.dice.choice((0, 9, 1 << 40, (1 << 64) - 1)))] if flags & 1 else []
        fields += [self.dice.choice((0, 1000))] * 2 if flags & 2 else []
        fields += [self.dice.choice((0, 0o755, 0o644, 0o7777, 0xFFFF_FFFF))] if flags & 4 else []
        fields += self.dice.choices((0, 1, 0xFFFF_FFFF), k=2) if flags & 8 else []
        return fields

    def request(self) -> tuple[int | str | bytes, ...]:
        """The kind and its fields: each of the protocol's requests, and some that are none."""
        offset = int64(self.dice.choice((0, 0, 1, 1 << 20, 1 << 63, (1 << 64) - 1)))
        handle = self.dice.choice(self.handles[-20:])
        match self.dice.randrange(22):
            case 3 | 0 | 1:
                return 3, self.path(), self.dice.randrange(64), *self.attributes()
            case 5:
                return 5, handle, offset, self.dice.choice((0, 100, 40_000, 0xFFFF_FFFF))
            case 6:
                return 6, handle, offset, b"written" * self.dice.choice((0, 1, 1000))
            case 4 | 8 | 12 as kind:
                return kind, handle
            case 10:
                return 10, handle, *self.attributes()
            case 9 | 14 as kind:
                return kind, self.path(), *self.attributes()
            case 18:
                return 18, self.path(), self.path()
            case 20:
                return 20, self.target(), self.path()
            case 21:
                extension = self.dice.choice(EXTENSIONS)
                last = handle if extension.startswith("fsync") else self.path()
                return 200, extension, last, self.path()
            case 2:
                return self.dice.randrange(256), self.path()
            case kind:  # lstat, opendir, remove, rmdir, realpath, stat, readlink
                return kind, self.path()


def plant(here: World) -> None:
    """The tree as it was, links out of it and all: the guest moves and removes much, and forbids."""
    _permit(here.share)
    for path in (here.share / "sub", here.share / "sub" / "deep", here.share / "a"):
        if path.is_symlink() or not path.is_dir():
            _clear(path)
            path.mkdir()
    links = {
        "up": "..",
        "out": str(here.secret),
        "slash": "/proc/self/root",
        "link": "sub",
        "sub/hop": "../out",
    }
    for name, target in links.items():
        _clear(here.share / name)
        (here.share / name).symlink_to(target)
    _clear(here.share / "pipe")
    os.mkfifo(here.share / "pipe")
    _clear(here.share / "file")
    (here.share / "file").write_text("ours")


def _tree(folder: Path) -> list[tuple[object, ...]]:
    found = [(path, path.lstat()) for path in sorted(folder.rglob("*"))]
    return [(path, stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_nlink) for path, stat in found]


def _permit(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.iterdir():
        if not path.is_symlink() and path.is_dir():
            _permit(path)


def _clear(path: Path) -> None:
    if not path.is_symlink() and path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _seed() -> int:
    seed = int(os.environ.get("CALLAO_FUZZ_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"CALLAO_FUZZ_SEED={seed}")  # noqa: T201 - shown when the test fails
    return seed


@pytest.mark.parametrize("flags", ["--writable --follow-symlinks", "--writable", "--follow-symlinks"])
def test_no_request_reads_or_changes_the_outside(here: World, flags: str) -> None:
    (here.secret / f"named-{CANARY}").touch()
    before = outside(here)
    guest = Guest(here, _seed())
    done, writable = 0, "--writable" in flags
    plant(here)
    inside = _tree(here.share)
    with program(here, *flags.split()) as (ours, _child):
        wire = Wire(ours)
        for number in range(REQUESTS):
            if number % 100 == 0 and writable:
                plant(here)
            request = guest.request()
            kind, rest = wire.ask(*request)  # type: ignore[arg-type]
            assert CANARY.encode() not in rest, request
            if kind == HANDLE:
                guest.handles.append(rest[4:])
            done += kind != STATUS or rest[:4] == b"\0\0\0\0"
            if number % 20 == 0:
                assert outside(here) == before, request
        here.share.chmod(0o755)
        assert wire.ask(17, here.at())[0] == 105
    assert outside(here) == before
    assert writable or _tree(here.share) == inside
    assert done > REQUESTS / (20 if writable else 50), "most requests were refused: this tested little"


def test_whatever_comes_the_server_answers_or_ends(here: World) -> None:
    before = outside(here)
    guest = Guest(here, _seed())
    for _ in range(25):
        plant(here)
        answers = _told(here, b"".join(_mangled(guest, number) for number in range(100)))
        assert CANARY.encode() not in answers
        assert outside(here) == before


def _mangled(guest: Guest, number: int) -> bytes:
    """A packet that is cut, changed or filled up; seldom one whose length is wrong."""
    kind, *fields = guest.request()
    assert isinstance(kind, int)
    found = bytearray(packet(kind, number, *fields))
    match guest.dice.randrange(4):
        case 0:
            found = found[: guest.dice.randrange(len(found))]
        case 1:
            for _ in range(guest.dice.randrange(1, 6)):
                found[guest.dice.randrange(len(found))] = guest.dice.randrange(256)
        case 2:
            found += guest.dice.randbytes(guest.dice.randrange(300))
        case _:
            found = bytearray(guest.dice.randbytes(guest.dice.randrange(100)))
    wrong = guest.dice.random() < 0.01
    return struct.pack(">I", guest.dice.randrange(1 << 32) if wrong else len(found)) + found


def _told(here: World, data: bytes) -> bytes:
    """All that the server says to this, until it ends."""
    heard = bytearray()
    with program(here, "--writable", "--follow-symlinks") as (ours, _child):
        Wire(ours)

        def tell() -> None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                ours.sendall(data)
                ours.shutdown(socket.SHUT_WR)

        teller = threading.Thread(target=tell)
        teller.start()
        with contextlib.suppress(ConnectionResetError):
            while more := ours.recv(1 << 16):
                heard += more
        teller.join()
    return bytes(heard)
