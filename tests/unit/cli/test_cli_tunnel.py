# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao tunnel`` through a real sshd, to a page that a server beside it has."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cli.conftest import Line
from support.sshd import Box, Sshd, free_port, keygen


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's name


@pytest.fixture
def page() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def sshd(callao: Line, tmp_path: Path) -> Iterator[Sshd]:
    """Of the instance ``web``."""
    config = callao.home / "_config"
    config.mkdir(exist_ok=True)
    running = Sshd(tmp_path / "sshd", free_port(), keygen(config / "user").with_suffix(".pub")).start()
    callao.run("web")
    Box(callao.home, Sshd).instance("web", running, pid=callao.sleepers[-1].pid)
    yield running
    if running.process is not None and running.process.poll() is None:
        running.kill()


def url(said: str) -> str:
    match = re.search(r"^ALL_PROXY=(socks5h://127\.0\.0\.1:\d+)$", said, re.MULTILINE)
    assert match is not None, said
    return match[1]


def get(proxy: str, port: int) -> str:
    argv = ["curl", "-s", "--max-time", "60", "--noproxy", "", "--proxy", proxy, f"http://localhost:{port}/"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


@pytest.mark.usefixtures("sshd")
def test_a_tunnel_stays_open_is_listed_and_closed(callao: Line, page: int) -> None:
    first, second = (callao("tunnel", "web"), callao("tunnel", "web"))
    proxies = [url(each.out) for each in (first, second)]
    assert "http://lima-web.internal" in first.err
    assert [get(each, page) for each in proxies] == ["hello\n"] * 2
    rows = [line.split()[:2] for line in callao("tunnel", "--list").out.splitlines()]
    assert rows == [["INSTANCE", "PROXY"], *sorted(["web", each] for each in proxies)]
    objects = [json.loads(line) for line in callao("tunnel", "--list", "--json", "web").out.splitlines()]
    assert sorted(each["proxy"] for each in objects) == sorted(proxies)
    assert {tuple(each) for each in objects} == {("instance", "proxy", "port", "pid")}
    port = proxies[0].rpartition(":")[2]
    assert (
        f"Closed the tunnel of web at port {port}."
        in callao("tunnel", "--stop", "--socks-port", port, "web").err
    )
    assert [get(each, page) for each in proxies] == ["", "hello\n"]
    assert callao("tunnel", "--stop", "web").status == 0
    assert "web has no open tunnel." in callao("tunnel", "--stop", "web").err
    assert callao("tunnel", "--list", "web").out.splitlines() == ["INSTANCE  PROXY  PID"]
    assert callao("tunnel", "--list", "--json").out == ""
    assert not list((callao.home / "web").glob("ssh-tunnel*"))


def test_a_tunnel_ends_with_the_machine(callao: Line, sshd: Sshd, page: int) -> None:
    proxy = url(callao("tunnel", "web").out)
    assert get(proxy, page) == "hello\n"
    pid = int(callao("tunnel", "--list").out.split()[-1])
    sshd.kill()
    subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], check=True, timeout=60)
    assert get(proxy, page) == ""
    assert not list((callao.home / "web").glob("ssh-tunnel*"))


@pytest.mark.usefixtures("sshd")
def test_a_socket_of_a_killed_one_is_no_tunnel(callao: Line) -> None:
    (callao.home / "web" / "ssh-tunnel-40000.sock").write_text("")
    assert callao("tunnel", "--list").out.splitlines() == ["INSTANCE  PROXY  PID"]
    assert not list((callao.home / "web").glob("ssh-tunnel*"))


@pytest.mark.usefixtures("sshd")
def test_a_tunnel_at_the_port_of_a_killed_one_is_listed_and_closed(callao: Line) -> None:
    left = callao.home / "web" / "ssh-tunnel-0.sock"
    with socket.socket(socket.AF_UNIX) as killed, contextlib.chdir(left.parent):
        killed.bind(left.name)  # nobody listens, as after kill -9
    port = free_port()
    left.rename(left.with_name(f"ssh-tunnel-{port}.sock"))
    assert callao("tunnel", "web", "--socks-port", str(port)).status == 0
    assert f"socks5h://127.0.0.1:{port}" in callao("tunnel", "--list").out
    assert f"Closed the tunnel of web at port {port}." in callao("tunnel", "--stop", "web").err


@pytest.mark.usefixtures("sshd")
def test_one_in_the_foreground_is_ssh_itself(callao: Line, page: int) -> None:
    port = free_port()
    argv = ["--foreground", "web", "--socks-port", str(port)]
    code = f"import sys; from callao.cli.main import main; sys.exit(main({['tunnel', *argv]!r}))"
    run = subprocess.Popen(["python", "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert run.stdout is not None
        proxy = url(run.stdout.readline())
        assert proxy == f"socks5h://127.0.0.1:{port}"
        while (answer := get(proxy, page)) == "":
            assert run.poll() is None
        assert answer == "hello\n"
    finally:
        run.terminate()
        run.communicate()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("tunnel",), "Missing argument 'INSTANCE'."),
        (
            ("tunnel", "web", "--socks-port", "80"),
            "--socks-port: 80 is not allowed (allowed: 0, 1024 to 65535)",
        ),
        (("tunnel", "web", "--type", "l2tp"), "'l2tp' is not 'socks'"),
        (("tunnel", "web", "--list", "--stop"), "exclude each other"),
        (("tunnel", "web", "--json"), "--json is for --list only."),
        (("tunnel", "--stop"), "Missing argument 'INSTANCE'."),
    ],
)
def test_a_wrong_line_says_what_is_wrong(callao: Line, line: tuple[str, ...], words: str) -> None:
    done = callao(*line)
    assert (done.status, words in done.err) == (1, True), done.err


@pytest.mark.usefixtures("sshd")
def test_a_port_that_is_taken_and_a_guest_that_lets_nobody_in_are_named(callao: Line, page: int) -> None:
    done = callao("tunnel", "web", "--socks-port", str(page))
    assert (done.status, f"--socks-port: {page} is taken." in done.err) == (1, True)
    (callao.home / "web" / "known_hosts").write_text("")
    done = callao("tunnel", "web")
    assert (done.status, "ssh cannot open the tunnel: " in done.err) == (1, True)
