# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker and Podman of Debian's packages in one guest: images made by hand, ports, sockets on the host."""

from __future__ import annotations

import http.client
import json
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.home import Home, build_engines, direct, temporary_home

from callao.ports import any_free

pytestmark = [pytest.mark.guest, pytest.mark.long]

PATIENCE = 180.0
ROUNDS = 20
"""Containers that publish one port, one after another."""

ENGINES = ("docker", "podman")

OWNER = "[Socket]\nSocketUser={{.User}}\n"
SOCKETS = """#!/bin/sh
set -eu
systemctl stop docker.service docker.socket
systemctl daemon-reload
systemctl start docker.socket docker.service
"""
IMAGE = """#!/bin/sh
set -eu
mkdir -p ~/image/root/bin ~/image/root/www ~/image/root/tmp
cp /usr/bin/busybox ~/image/root/bin/
ln -sf usr/lib ~/image/root/lib
ln -sf usr/lib64 ~/image/root/lib64
echo by hand >~/image/root/www/index.html
cat >~/image/echo.py <<'END'
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("0.0.0.0", 53))
    while True:
        data, peer = server.recvfrom(2048)
        server.sendto(b"echo " + data, peer)
END
printf '%s\\n' 'FROM scratch' 'COPY root /' >~/image/Dockerfile
printf '%s\\n' 'CMD ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]' >>~/image/Dockerfile
systemctl --user enable --now podman.socket
"""


@dataclass
class Box:
    home: Home
    everywhere: int
    """A port that a rule opens on every address of the host."""

    def run(self, command: str) -> str:
        done = self.home.ssh("engines", command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def socket(self, engine: str) -> Path:
        return self.home.path / "engines" / "sock" / f"{engine}.sock"

    def ask(self, engine: str, path: str) -> Any:
        """A request of the engine's HTTP API, as its client on the host makes it."""
        connection = http.client.HTTPConnection("engine", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(str(self.socket(engine)))
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    golden = build_engines()
    with temporary_home(golden) as home:
        everywhere = any_free()
        extra = {
            **direct(golden),
            "memory": "2GiB",
            "provision": [
                {"mode": "data", "path": "/etc/systemd/system/docker.socket.d/owner.conf", "content": OWNER},
                {"mode": "system", "script": SOCKETS},
                {"mode": "user", "script": IMAGE},
            ],
            "portForwards": [
                {"guestSocket": "/run/docker.sock", "hostSocket": "docker.sock"},
                {"guestSocket": "/run/user/{{.UID}}/podman/podman.sock", "hostSocket": "podman.sock"},
                {"guestIP": "0.0.0.0", "guestPort": everywhere, "hostIP": "0.0.0.0"},
            ],
        }
        home.ensure("engines", extra=extra, timeout=900)
        box = Box(home, everywhere)
        for engine in ENGINES:
            box.run(f"cd ~/image && {engine} build -t hand .")
        yield box


def page(port: int, address: str = "127.0.0.1") -> str:
    with urllib.request.urlopen(f"http://{address}:{port}/", timeout=30) as answer:
        return str(answer.read().decode().strip())


def patiently(ask: Callable[[], str]) -> str:
    """The first answer, once the port is open."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_is_asked_by_its_socket_on_the_host(box: Box, engine: str) -> None:
    assert box.ask(engine, "/v1.40/info")["Name"] == box.run("hostname")
    tags = [tag for image in box.ask(engine, "/v1.40/images/json") for tag in image["RepoTags"] or ()]
    assert [tag for tag in tags if tag.endswith("hand:latest")]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("address", ["127.0.0.1:", ""])
def test_a_published_port_is_on_the_hosts_loopback(box: Box, engine: str, address: str) -> None:
    port = any_free()
    box.run(f"{engine} run -d --name web -p {address}{port}:80 hand")
    try:
        assert patiently(lambda: page(port)) == "by hand"
        with pytest.raises(OSError, match="refused"):
            page(port, "127.0.0.2")
    finally:
        box.run(f"{engine} rm -f web")


def test_a_rule_publishes_one_on_every_address_of_the_host(box: Box) -> None:
    box.run(f"docker run -d --name web -p {box.everywhere}:80 hand")
    try:
        assert patiently(lambda: page(box.everywhere, "127.0.0.2")) == "by hand"
    finally:
        box.run("docker rm -f web")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_published_port_of_udp_too(box: Box, engine: str) -> None:
    port = any_free()
    mounts = "-v /usr:/usr:ro -v ~/image/echo.py:/tmp/echo.py:ro"
    box.run(f"{engine} run -d --name web -p {port}:53/udp {mounts} hand /usr/bin/python3 /tmp/echo.py")

    def ask() -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.connect(("127.0.0.1", port))
            client.send(b"hello")
            return client.recv(100).decode()

    try:
        assert patiently(ask) == "echo hello"
    finally:
        box.run(f"{engine} rm -f web")


def test_each_container_on_one_port_answers_for_itself(box: Box) -> None:
    port = any_free()
    for number in range(ROUNDS):
        box.run(
            f"mkdir -p ~/www/{number}; echo {number} >~/www/{number}/index.html; docker rm -f web; "
            f"docker run -d --name web -p {port}:80 -v ~/www/{number}:/www:ro hand"
        )
        assert patiently(lambda: page(port)) == str(number)
    box.run("docker rm -f web")
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            page(port)
        except OSError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
