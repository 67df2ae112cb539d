# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy command that leads ssh to the first target that answers; with a true ssh and sshd."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sshd import USER, Sshd, free_port, keygen

from callao.reach import Reach
from callao.ssh import proxy
from callao.ssh.config import Endpoint, render

PROXY = [sys.executable, "-P", "-m", "callao.ssh.proxy"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a short name, for sockets."""
    with tempfile.TemporaryDirectory(prefix="callao-", dir="/tmp") as name:
        yield Path(name)


def listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def test_ssh_goes_by_the_port_where_the_socket_before_it_closes(folder: Path) -> None:
    sshd = Sshd(folder / "sshd", free_port(), keygen(folder / "user").with_suffix(".pub")).start()
    with listening(folder / "s") as server:
        reach = proxy.by_unix_socket(Reach(sshd.port), str(folder / "s"))
        known = folder / "known_hosts"
        known.write_text(f"there {' '.join(sshd.host_key.with_suffix('.pub').read_text().split()[:2])}\n")
        at = Endpoint("there", reach, USER, folder / "user", known, folder / "c.sock")
        (folder / "config").write_text(render(at))
        argv = ["ssh", "-F", str(folder / "config"), "-o", "ControlPath=none", "there", "echo here"]
        ssh = subprocess.Popen(argv, stdout=subprocess.PIPE)
        server.accept()[0].close()
        assert ssh.communicate(timeout=60)[0] == b"here\n"
    sshd.kill()


def test_the_first_target_that_speaks_is_taken_and_ends_are_passed_on(folder: Path) -> None:
    with listening(folder / "a") as first, listening(folder / "b") as second:
        argv = [*PROXY, f"unix:{folder / 'nowhere'}", f"unix:{folder / 'a'}", f"unix:{folder / 'b'}"]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"client")
        process.stdin.flush()
        peer, _ = first.accept()
        peer.sendall(b"SSH-2.0-here\r\n")
        out = process.stdout.read(14)
        process.stdin.close()
        heard = b""
        while data := peer.recv(100):
            heard += data
        peer.sendall(b"x" * 100_000)
        peer.close()
        out += process.stdout.read()
        process.wait(60)
        second.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.accept()
    assert (heard, out) == (b"client", b"SSH-2.0-here\r\n" + b"x" * 100_000)


def test_a_target_that_is_silent_is_overtaken_by_the_next(folder: Path) -> None:
    with listening(folder / "a"), listening(folder / "b") as second:
        argv = [sys.executable, "-c", f"import sys; from callao.ssh import proxy; proxy._HEAD_START = 0.01; "
                f"sys.exit(proxy.main(['unix:{folder}/a', 'unix:{folder}/b']))"]  # fmt: skip
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        peer, _ = second.accept()
        peer.sendall(b"SSH")
        peer.close()
        assert process.communicate(timeout=60)[0] == b"SSH"


def test_who_answers_nowhere_is_told_with_each_reason(folder: Path) -> None:
    argv = [*PROXY, f"unix:{folder / 'a'}", f"tcp:127.0.0.1:{free_port()}"]
    done = subprocess.run(argv, stdin=subprocess.PIPE, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No such file or directory; tcp:127.0.0.1:" in done.stderr
    assert done.stderr.endswith("Connection refused\n")


@pytest.mark.parametrize("text", ["", "unix", "udp:1.2.3.4:5", "tcp:1.2.3.4:x", "vsock::22", "vsock:3"])
def test_what_is_no_target_is_refused(text: str) -> None:
    assert proxy.main([text]) == 2
