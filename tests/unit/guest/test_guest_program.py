# SPDX-License-Identifier: GPL-3.0-or-later
"""The zipapp as a process, with a Unix socket for its virtio-serial port."""

from __future__ import annotations

import ast
import os
import pty
import random
import signal
import socket
import subprocess
import sys
import tty
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from guest_program import PATIENCE, Program, program
from support.pythons import python

from callao import __version__
from callao.guest.frames import PROTOCOL, Decoder, FrameKind, encode_stream_frame
from callao.guest.zipapp import zipapp_bytes

SOURCES = sorted((Path(__file__).parents[3] / "src/callao/guest").rglob("*.py"))


@pytest.fixture
def running(tmp_path) -> Iterator[Program]:
    with program(tmp_path) as found:
        yield found


def listen(proto: str, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if proto == "tcp":
        return socket.create_server((address, 0), family=family)  # of IPv6 alone, if it is of IPv6
    bound = socket.socket(family, socket.SOCK_DGRAM)
    bound.bind((address, 0))
    return bound


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.name != "zipapp.py"], ids=lambda path: path.name
)
def test_each_module_is_of_the_oldest_python(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "__future__" not in imported
    assert "dataclasses" not in imported


def test_the_same_source_makes_the_same_bytes(tmp_path):
    code = "import hashlib; from callao.guest.zipapp import *\n"
    code += "print(hashlib.sha256(zipapp_bytes()).hexdigest())"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_the_host_s_own_module_is_not_packed(tmp_path):
    (tmp_path / "guest.pyz").write_bytes(zipapp_bytes())
    names = zipfile.ZipFile(tmp_path / "guest.pyz").namelist()
    assert "__main__.py" in names
    assert "callao/guest/zipapp.py" not in names


@pytest.mark.parametrize("name", [sys.executable, "python3.6", "python3.8", "python3.9", "python3.13"])
def test_hello_comes_first_and_then_all_listeners(tmp_path, name):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        program(tmp_path, python=python(name)) as running,
        running.connected() as host,
    ):
        hello = host.next()
        assert (hello["type"], hello["protocol"], hello["version"]) == ("hello", PROTOCOL, __version__)
        assert hello["python"].startswith("3.")
        assert hello["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        first = host.next()
        assert (first["type"], first["removed"]) == ("listeners", [])
        assert ["tcp", "127.0.0.1", server.getsockname()[1], "socket"] in first["added"]


@pytest.mark.parametrize("proto", ["tcp", "udp"])
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_listener_appears_and_vanishes_unasked(running, proto, address):
    with running.host() as host:
        with listen(proto, address) as server:
            source = "v6only" if (proto, address) == ("tcp", "::") else "socket"
            entry = (proto, address, server.getsockname()[1], source)
            while entry not in host.listeners:
                host.next()
        while entry in host.listeners:
            host.next()


def test_two_hundred_listeners_at_once_are_all_told_and_none_stays(running):
    with running.host() as host:
        with ExitStack() as stack:
            opened = set()
            for number in range(200):
                proto, address = ("tcp", "udp")[number % 2], ("127.0.0.1", "0.0.0.0", "::1")[number % 3]
                server = stack.enter_context(listen(proto, address))
                opened.add((proto, address, server.getsockname()[1], "socket"))
            assert opened <= host.look()
        assert not opened & host.look()


def test_a_host_that_comes_back_is_told_everything_again(running):
    with socket.create_server(("127.0.0.1", 0)) as server:
        entry = ("tcp", "127.0.0.1", server.getsockname()[1], "socket")
        for _ in range(3):
            with running.host() as host:
                assert entry in host.listeners


def test_a_host_that_says_hello_is_told_everything_again(running):
    with socket.create_server(("127.0.0.1", 0)) as server, running.host() as host:
        host.send(type="hello")
        assert host.expect("hello")["protocol"] == PROTOCOL
        assert ["tcp", "127.0.0.1", server.getsockname()[1], "socket"] in host.expect("listeners")["added"]


def test_ping_is_answered(running):
    with running.host() as host:
        host.send(type="ping", id=41)
        host.send(type="ping", id="b")
        first, second = host.expect("pong"), host.expect("pong")
        assert (first["id"], second["id"]) == (41, "b")
        assert first["time"] <= second["time"]


def test_what_is_unknown_is_told_and_passed_over(running):
    with running.host() as host:
        host.send(type="dance")
        host.send(kind=["ping"])
        host.send(type=["ping"])
        assert "dance" in host.expect("log")["message"]
        assert host.expect("log")
        assert host.expect("log")
        host.send(type="ping", id=1)
        assert host.expect("pong")["id"] == 1


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\2[]", b"\xff" * 4096])
def test_a_host_that_sends_garbage_is_told_and_left_and_the_next_is_served(running, garbage):
    with running.host() as host:
        host.socket.sendall(garbage)
        assert host.expect("log")
        with pytest.raises((EOFError, ConnectionResetError)):
            host.until_left()
    with running.host() as host:
        host.send(type="ping", id=1)
        assert host.expect("pong")


def test_a_host_that_leaves_within_a_frame_does_no_harm(running):
    with running.host() as host:
        host.socket.sendall(b"\0\0\1\0{")
    with running.host() as host:
        host.send(type="ping", id=1)
        assert host.expect("pong")


def test_a_host_that_does_not_read_is_not_answered_without_end(running):
    with running.host() as host:
        host.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            host.flood()
        host.socket.settimeout(PATIENCE)
        assert host.expect("pong")
    with running.host() as host:
        host.send(type="ping", id=1)
        assert host.expect("pong")["id"] == 1


def pieces_for_one_stream(chance: random.Random) -> bytes:
    """To a port where nobody listens, to one where we do not care, or to nowhere."""
    target = chance.choice([b"\6\0\1127.0.0.1", b"\x11\0\1::1", b"\6\0\1nowhere", b"\xff", b""])
    number = chance.randrange(4)
    pieces = [encode_stream_frame(FrameKind.OPEN, number, target)]
    for _ in range(20):
        data = bytes(chance.choice([0, 4, 4, 1000, 1 << 15]))
        pieces.append(encode_stream_frame(chance.choice(list(FrameKind)), chance.randrange(4), data))
    return b"".join(pieces)


def test_noise_of_well_formed_pieces_ends_no_more_than_the_conversation(running):
    chance = random.Random(1)
    for _ in range(30):
        with running.host() as host, suppress(EOFError, ConnectionError):
            for _ in range(10):
                host.socket.sendall(pieces_for_one_stream(chance))
            host.send(type="ping", id=1)
            host.expect("pong")
    with running.host() as host:
        host.send(type="ping", id=2)
        assert host.expect("pong")["id"] == 2
        descriptors = Path(f"/proc/{running.process.pid}/fd")
        assert len(list(descriptors.iterdir())) < 20


def test_time_that_is_none_is_refused(running):
    with running.host() as host:
        host.send(type="time", now="noon")
        assert "error" in host.expect("timed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(running, number):
    with running.host():
        running.process.send_signal(number)
        assert running.process.wait(PATIENCE) == 0
    assert running.process.stderr.read() == ""
    assert not running.path.exists()


def test_it_speaks_over_a_terminal_like_device_and_waits_for_one(tmp_path):
    """A pseudo-terminal stands for the port: it is polled, read and hung up alike."""
    (tmp_path / "guest.pyz").write_bytes(zipapp_bytes())
    port = tmp_path / "port"
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "guest.pyz"), str(port)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert "waiting for it" in process.stderr.readline()
        for _ in range(2):
            near, far = pty.openpty()
            tty.setraw(far)
            link = tmp_path / "link"
            link.symlink_to(os.ttyname(far))
            link.rename(port)
            decoder, messages = Decoder(), []
            while not messages:
                messages += decoder.feed(os.read(near, 1 << 16))
            assert messages[0]["type"] == "hello"
            os.close(far)
            port.unlink()
            os.close(near)
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0
        process.stderr.close()


def test_hosts_that_leave_at_once_do_no_harm(running):
    for _ in range(5):
        with running.connected():
            pass
    with running.host() as host:
        assert host.look() is host.listeners
    assert running.terminate() == (0, "")
