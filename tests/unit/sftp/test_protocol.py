# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that paramiko's client would not send."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from paramiko.sftp import int64
from served import Wire, World, program

from callao.sftp.packets import MAX_PACKET

OPEN, CLOSE, READ, WRITE, FSTAT, FSETSTAT, OPENDIR, READDIR, EXTENDED = 3, 4, 5, 6, 8, 10, 11, 12, 200
NAME = 104
NO_SUCH_FILE, DENIED, FAILURE, BAD, UNSUPPORTED = 2, 3, 4, 5, 8


def test_the_extensions_of_openssh_are_offered(wire: Wire) -> None:
    assert wire.version[:5] == struct.pack(">BI", 2, 3)
    for name in (b"posix-rename@", b"statvfs@", b"hardlink@", b"fsync@"):
        assert name + b"openssh.com" in wire.version
    assert b"check-file" not in wire.version


def test_a_packet_that_is_too_long_ends_the_session(wire: Wire) -> None:
    wire.socket.sendall(struct.pack(">I", MAX_PACKET + 1) + bytes(100))
    with contextlib.suppress(ConnectionResetError):
        assert wire.socket.recv(1) == b""


def test_a_hard_link_is_made(here: World, wire: Wire) -> None:
    assert wire.code(EXTENDED, "hardlink@openssh.com", here.at("file"), here.at("sub", "new")) == 0
    assert (here.share / "sub" / "new").samefile(here.share / "file")


def test_a_file_is_synced_by_its_handle(here: World, wire: Wire) -> None:
    handle = wire.handle(OPEN, here.at("file"), 3, 0)
    assert wire.code(EXTENDED, "fsync@openssh.com", handle) == 0
    assert wire.code(EXTENDED, "fsync@openssh.com", b"other") == BAD


def test_the_file_system_s_size_is_told(here: World, wire: Wire) -> None:
    kind, rest = wire.ask(EXTENDED, "statvfs@openssh.com", here.at("sub"))
    assert kind == 201
    assert struct.unpack(">11Q", rest)[2] == os.statvfs(here.share).f_blocks
    assert wire.code(EXTENDED, "statvfs@openssh.com", str(here.secret)) == DENIED


@pytest.mark.parametrize("name", ["check-file", "copy-data", "expand-path@openssh.com", ""])
def test_other_extensions_are_not_supported(wire: Wire, name: str) -> None:
    assert wire.code(EXTENDED, name, b"x") == UNSUPPORTED


def test_a_request_that_ends_too_early_is_refused_and_does_nothing(here: World, wire: Wire) -> None:
    handle = wire.handle(OPEN, here.at("file"), 3, 0)
    wire.send(
        bytes([WRITE])
        + struct.pack(">I", 9)
        + struct.pack(">I", len(handle))
        + handle
        + b"\0" * 8
        + b"\0\0\1\0x"
    )
    assert struct.unpack(">BII", wire.receive()[:9]) == (101, 9, BAD)
    assert (here.share / "file").read_text() == "ours"


def test_attributes_that_claim_to_be_many_end_at_once(here: World, wire: Wire) -> None:
    assert wire.code(9, here.at("file"), 0x8000_0000, 0xFFFF_FFFF) == BAD


@pytest.mark.parametrize("kind", [CLOSE, READDIR, FSTAT])
def test_an_unknown_handle_is_refused(wire: Wire, kind: int) -> None:
    assert wire.code(kind, b"hx99") == BAD


def test_an_unknown_handle_s_attributes_are_refused(wire: Wire) -> None:
    assert wire.code(FSETSTAT, b"hx99", 0) == BAD


def test_a_name_with_a_zero_byte_is_refused(here: World, wire: Wire) -> None:
    assert wire.code(OPEN, here.at("file\0"), 1, 0) == BAD


def test_a_read_is_answered_in_part_when_too_long(here: World, wire: Wire) -> None:
    (here.share / "big").write_bytes(b"x" * 1_000_000)
    handle = wire.handle(OPEN, here.at("big"), 1, 0)
    kind, rest = wire.ask(READ, handle, int64(0), 0xFFFF_FFFF)
    assert kind == 103
    assert len(rest) <= 256 * 1024


def test_the_end_of_a_directory_and_of_a_file_is_told(here: World, wire: Wire) -> None:
    folder = wire.handle(OPENDIR, here.at())
    assert wire.ask(READDIR, folder)[0] == 104
    assert wire.code(READDIR, folder) == 1
    file = wire.handle(OPEN, here.at("file"), 1, 0)
    assert wire.code(READ, file, int64(4), 10) == 1


def test_names_that_are_not_utf_8_are_listed(here: World, wire: Wire) -> None:
    Path(os.fsdecode(os.fsencode(here.share) + b"/\xff\xfe")).touch()
    assert b"\0\0\0\x02\xff\xfe" in wire.ask(READDIR, wire.handle(OPENDIR, here.at()))[1]


def test_special_files_are_not_opened(here: World, wire: Wire) -> None:
    os.mkfifo(here.share / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(here.share)
        listener.bind("socket")
        os.chdir("/")
        for name in ("pipe", "socket", "sub"):
            for flags in (1, 2, 3, 0x1A):
                assert wire.code(OPEN, here.at(name), flags, 0) == DENIED
    assert wire.code(9, here.at("pipe"), 1, int64(0)) == DENIED  # truncate


def test_the_root_itself_is_neither_moved_nor_removed(here: World, wire: Wire) -> None:
    assert wire.code(15, here.at()) == DENIED
    assert wire.code(18, here.at(), here.at("sub", "x")) == DENIED
    assert wire.code(18, here.at("sub"), here.at()) == DENIED
    assert wire.code(13, here.at() + "/.") == DENIED


def test_files_are_held_open_up_to_a_bound(here: World) -> None:
    with program(here) as (ours, _child):
        wire = Wire(ours)
        handles = []
        while (answer := wire.ask(OPEN, here.at("file"), 1, 0))[0] == 102:
            handles.append(answer[1][4:])
            assert len(handles) < 5000
        assert wire.code(OPENDIR, here.at()) == FAILURE
        assert wire.code(CLOSE, handles.pop()) == 0
        assert wire.handle(OPENDIR, here.at("sub", "deep"))


def test_directories_that_are_open_take_no_memory_for_their_entries(here: World) -> None:
    for number in range(3000):
        (here.share / "sub" / f"a-file-of-many-{number}").touch()
    with program(here) as (ours, child):
        wire = Wire(ours)
        server = psutil.Process(child.pid)
        before = server.memory_info().rss
        descriptors = server.num_fds()
        handles = [wire.handle(OPENDIR, here.at("sub")) for _ in range(100)]
        for handle in handles:
            assert wire.ask(READDIR, handle)[0] == NAME
        assert server.memory_info().rss - before < 32 << 20
        for handle in handles:
            assert wire.code(CLOSE, handle) == 0
            assert wire.code(READDIR, handle) == BAD
        assert server.num_fds() == descriptors


def test_a_directory_is_read_to_its_end_in_several_answers(here: World, wire: Wire) -> None:
    made = {f"file-{number}" for number in range(250)}
    for name in made:
        (here.share / "sub" / "deep" / name).touch()
    handle = wire.handle(OPENDIR, here.at("sub", "deep"))
    counts = []
    while (answer := wire.ask(READDIR, handle))[0] == NAME:
        counts.append(struct.unpack(">I", answer[1][:4])[0])
    assert sum(counts) == 2 + len([*(here.share / "sub" / "deep").iterdir()])
    assert max(counts) == 100
    assert wire.code(CLOSE, handle) == 0


def test_no_descriptor_is_left_behind(here: World) -> None:
    with program(here, "--writable", "--follow-symlinks") as (ours, child):
        wire = Wire(ours)
        held = Path(f"/proc/{child.pid}/fd")
        if not held.exists():
            pytest.skip("there is no /proc here: Linux has it")
        before = len(list(held.iterdir()))
        (here.share / "link").symlink_to("sub/../../secret")
        for path in (
            here.at("sub", "deep"),
            here.at("link", "file"),
            here.at("none", "x"),
            here.at("file", "x"),
        ):
            for kind, fields in ((17, ()), (7, ()), (OPEN, (2, 0)), (9, (4, 0o700)), (14, (0,)), (19, ())):
                wire.ask(kind, path, *fields)
        assert len(list(held.iterdir())) == before


def test_a_client_that_speaks_something_else_is_told_on_stderr(here: World) -> None:
    argv = [sys.executable, "-P", "-m", "callao.sftp", "--root", here.at()]
    done = subprocess.run(argv, input=b"GET / HTTP", capture_output=True, timeout=20, check=False)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"callao.sftp: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("root", ["/nonexistent", "relative", "/tmp/../etc"])
def test_a_root_that_cannot_be_served_is_told_on_stderr(root: str) -> None:
    argv = [sys.executable, "-P", "-m", "callao.sftp", "--root", root]
    done = subprocess.run(argv, input=b"", capture_output=True, timeout=20, check=False)
    assert done.returncode != 0
    assert b"callao.sftp" in done.stderr
    assert b"Traceback" not in done.stderr
