# SPDX-License-Identifier: GPL-3.0-or-later
"""Which listeners a packet filter closes. nftables' rules are the kernel's own, in a network namespace; the
texts of iptables are of ufw 0.36 and Docker 28.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from guest_program import Host, program
from support.namespace import network_namespace
from support.pythons import python

from callao.guest.listeners.sockets import Listener
from callao.guest.packet_filter import packet_filter
from callao.guest.packet_filter.chains import Closed, mark_filtered
from callao.guest.packet_filter.iptables import parse_filter
from callao.guest.packet_filter.packet_filter import MAX_FAILURES, PERIOD, PacketFilter

needs_nft = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"),
    reason="network namespaces need root, ip and nft",
)

OPEN, SHUT = Closed(), Closed(input=True)
CONTAINER = "172.17.0.2"

READ = """
import json
from callao.guest.packet_filter.nftables import Nftables
closed = Nftables().closed()
print(json.dumps([closed.input, [sorted(each) for each in closed.forward]]))
"""


def filters(chains: str, table: str = "inet filter") -> str:
    return f"table {table} {{\n{chains}\n}}\n"


def base(hook: str, rules: str = "", policy: str = "accept") -> str:
    return f"chain {hook} {{ type filter hook {hook} priority 0; policy {policy};\n{rules}\n}}\n"


DOCKER = (
    base("forward", "jump users\njump engine", "drop")
    + f"""
chain users {{ return; }}
chain engine {{
  iifname != "docker0" oifname "docker0" ip daddr {CONTAINER} tcp dport 80 accept
  ip saddr 172.17.0.3 accept
  ip daddr 172.17.0.4 ct state related,established accept
  ip daddr != 172.17.0.5 accept
  ip daddr 172.18.0.0/16 accept
}}"""
)


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    with network_namespace() as (name, _):
        yield name


def nft(namespace: str, text: str) -> None:
    subprocess.run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], input=text, text=True, check=True)


@needs_nft
@pytest.mark.parametrize(
    ("ruleset", "expected"),
    [
        ("", OPEN),
        (filters(base("input")), OPEN),
        (filters(base("input", "tcp dport 22 accept", "drop")), SHUT),
        (filters(base("input", "tcp dport 8080 drop"), "ip mine"), SHUT),
        (filters(base("input", "tcp dport 8080 reject with tcp reset")), SHUT),
        (filters(base("input", "jump a") + "chain b { drop; }\nchain a { goto b; }"), SHUT),
        (filters(base("input", "jump a") + "chain a { jump b; }\nchain b { jump c; }\nchain c { }"), OPEN),
        (filters(base("input", "tcp dport vmap { 80 : accept, 81 : drop }")), SHUT),
        (filters(base("input"), "inet mine") + filters("chain input { drop; }", "ip mine"), OPEN),
        (filters(base("input") + "chain unused { drop; }"), OPEN),
        (filters(base("output", policy="drop")), OPEN),
        (filters(base("input", policy="drop"), "ip6 filter"), OPEN),
        (filters(base("input", policy="drop"), "inet callao"), OPEN),
        (filters(base("forward", "ct state invalid drop"), "inet netavark"), OPEN),
        (filters(base("forward", policy="drop")), Closed(forward=(frozenset(),))),
        (filters(DOCKER, "ip filter"), Closed(forward=(frozenset({CONTAINER}),))),
        (
            filters(DOCKER, "ip filter") + filters(base("forward", "reject") + base("input", "reject")),
            Closed(input=True, forward=(frozenset({CONTAINER}), frozenset())),
        ),
    ],
)
def test_rules_of_nftables_are_read_from_the_kernel(namespace: str, ruleset: str, expected: Closed) -> None:
    nft(namespace, "flush ruleset\n" + ruleset)
    read = subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-c", READ],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    is_closed, forward = json.loads(read.stdout)
    assert (is_closed, sorted(forward)) == (expected.input, sorted(map(sorted, expected.forward)))


@needs_nft
def test_many_rules_are_read_whole(namespace: str) -> None:
    rules = "\n".join(f"ip daddr 10.1.{each >> 8}.{each & 255} accept" for each in range(5000))
    nft(namespace, "flush ruleset\n" + filters(base("forward", rules, "drop")))
    read = subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-c", READ],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert len(json.loads(read.stdout)[1][0]) == 5000


INTERRUPTED = """
import json, subprocess
from callao.guest.packet_filter.nftables import Nftables

class Changing:
    def __init__(self, real):
        self.real, self.received = real, 0
    def send(self, data):
        self.received = 0
        return self.real.send(data)
    def recv(self, size):
        self.received += 1
        if self.received == 2:
            subprocess.run(["nft", "add rule inet filter forward accept"], check=True)
        return self.real.recv(size)

nftables = Nftables()
real = nftables._netlink._socket
nftables._netlink._socket = Changing(real)
closed = [nftables.closed()]
nftables._netlink._socket = real
closed.append(nftables.closed())
print(json.dumps([[each.input, [len(found) for found in each.forward]] for each in closed]))
"""


@needs_nft
def test_rules_that_change_whenever_they_are_read_are_read_all_the_same(namespace: str) -> None:
    rules = "\n".join(f"ip daddr 10.1.{each >> 8}.{each & 255} accept" for each in range(1000))
    nft(namespace, "flush ruleset\n" + filters(base("forward", rules, "drop") + base("input", "drop")))
    read = subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert json.loads(read.stdout) == [[True, [1000]], [True, [1000]]]


SERVER = """
import socket, time
server = socket.create_server(("0.0.0.0", 8080))
print("ready", flush=True)
time.sleep(1000)
"""


def told(host: Host, source: str) -> None:
    """Wait until the program has told of this listener by itself, and no more of another source."""
    while host.listeners != {("tcp", "0.0.0.0", 8080, source)}:
        host.expect("listeners")


@contextmanager
def serving(prefix: Sequence[str]) -> Iterator[None]:
    with subprocess.Popen([*prefix, sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield
        finally:
            server.kill()


@needs_nft
@pytest.mark.parametrize("name", [sys.executable, "python3.6", "python3.8", "python3.9"])
def test_the_program_tells_at_once_what_rules_that_come_and_go_close(tmp_path: Path, name: str) -> None:
    guest_python = python(name)
    with network_namespace() as (namespace, _):
        nft(namespace, filters(base("input")))
        prefix = ["ip", "netns", "exec", namespace]
        with serving(prefix), program(tmp_path, prefix=prefix, python=guest_python) as running:
            with running.host() as host:
                told(host, "socket")
                for _ in range(3):
                    nft(namespace, "add rule inet filter input tcp dport 8080 drop")
                    told(host, "filtered")
                    nft(namespace, "flush chain inet filter input")
                    told(host, "socket")
            assert running.terminate() == (0, "")


ANY, LOOPBACK = Listener("tcp", "0.0.0.0", 80), Listener("tcp", "127.0.0.1", 81)
V6 = Listener("tcp", "::", 82, "v6only")
POD = Listener("tcp", "0.0.0.0", 30080, "kubernetes")
PUBLISHED = Listener("tcp", "0.0.0.0", 80, "dnat")
ON_LOOPBACK = Listener("tcp", "127.0.0.1", 90, "dnat")


def filtered(each: Listener) -> Listener:
    return each._replace(source="filtered")


@pytest.mark.parametrize(
    ("listeners", "published", "closed", "expected"),
    [
        ({ANY, LOOPBACK, V6}, {POD: ""}, OPEN, {ANY, LOOPBACK, V6, POD}),
        ({ANY, LOOPBACK, V6}, {POD: ""}, SHUT, {filtered(ANY), filtered(LOOPBACK), V6, POD}),
        # a container's port goes by the rules of what is forwarded, as does its engine's socket
        ({ANY}, {PUBLISHED: CONTAINER}, SHUT, {ANY, PUBLISHED}),
        ({ANY}, {PUBLISHED: CONTAINER}, Closed(True, (frozenset(),)), {filtered(ANY)}),
        ({ANY}, {PUBLISHED: CONTAINER}, Closed(True, (frozenset({CONTAINER}),)), {ANY, PUBLISHED}),
        (set(), {PUBLISHED: "10.88.0.2"}, Closed(False, (frozenset({CONTAINER}),)), {filtered(PUBLISHED)}),
        (set(), {PUBLISHED: ""}, Closed(True, (frozenset(),)), {PUBLISHED}),
        (set(), {ON_LOOPBACK: CONTAINER}, Closed(True, (frozenset(),)), {ON_LOOPBACK}),
        (
            {LOOPBACK},
            {PUBLISHED._replace(port=81): CONTAINER},
            OPEN,
            {LOOPBACK, PUBLISHED._replace(port=81)},
        ),
    ],
)
def test_what_comes_by_the_nic_to_a_closed_filter_is_marked(
    listeners: set[Listener], published: dict[Listener, str], closed: Closed, expected: set[Listener]
) -> None:
    assert mark_filtered(listeners, published, closed) == expected


UFW = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""
DOCKER_TEXT = f"""\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-FORWARD - [0:0]
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -d 172.17.0.9/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -o docker0 -j DOCKER
-A DOCKER -d {CONTAINER}/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -d 172.17.0.8/32 -j ACCEPT
COMMIT
"""


ACCEPTING = "*filter\n:INPUT ACCEPT [0:0]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", OPEN),
        ("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n", OPEN),
        ("*filter\n:INPUT ACCEPT [0:0]\n:a - [0:0]\n-A INPUT -g a\n-A a -j REJECT\nCOMMIT\n", SHUT),
        ('*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m comment --comment "no -j DROP\nCOMMIT\n', OPEN),
        (ACCEPTING + "-A INPUT -j NFQUEUE --queue-num 0\nCOMMIT\n", SHUT),
        (ACCEPTING + '-A INPUT -m comment --comment "a \\"b\\" -j DROP" -j ACCEPT\nCOMMIT\n', OPEN),
        (ACCEPTING + '-A INPUT -m comment --comment "" -j DROP\nCOMMIT\n', SHUT),
        (UFW, Closed(True, (frozenset(),))),
        (DOCKER_TEXT, Closed(False, (frozenset({CONTAINER}),))),
    ],
)
def test_rules_of_iptables_are_read_from_its_text(text: str, expected: Closed) -> None:
    assert parse_filter(text) == expected


class Rules:
    """Stands for the kernel's rules: what it answers next."""

    def __init__(self) -> None:
        self.number, self.read, self.descriptor, self.refused, self.closed_now = 1, 0, 3, False, SHUT

    def generation(self) -> int:
        if self.refused:
            raise OSError(errno.EPERM, "no")
        return self.number

    def closed(self) -> Closed:
        self.read += 1
        return self.closed_now

    def drain(self) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.fixture
def rules() -> Rules:
    return Rules()


def looking(root: Path, rules: Rules, which: Callable[[str], str | None] = {}.get) -> PacketFilter:
    (root / "sys/module/nf_tables").mkdir(parents=True)
    (root / "lib/modules" / os.uname().release).mkdir(parents=True)
    connect: Any = lambda: rules  # noqa: E731
    return PacketFilter(str(root), which, connect)


def test_nothing_is_asked_before_the_kernel_has_nftables(tmp_path: Path, rules: Rules) -> None:
    found = looking(tmp_path, rules)
    (tmp_path / "sys/module/nf_tables").rmdir()
    assert found.scan(100.0) == OPEN
    assert (found.descriptor, found.generation) == (None, None)
    (tmp_path / "sys/module/nf_tables").mkdir()
    assert found.scan(100.0 + PERIOD) == SHUT
    assert (found.descriptor, found.generation) == (3, 1)


@pytest.mark.parametrize("builtin", ["kernel/net/netfilter/nf_tables.ko\n", ""])
def test_a_kernel_with_nftables_built_in_is_asked(tmp_path: Path, rules: Rules, builtin: str) -> None:
    found = looking(tmp_path, rules)
    (tmp_path / "sys/module/nf_tables").rmdir()
    modules = tmp_path / "lib/modules" / os.uname().release
    if builtin:
        (modules / "modules.builtin").write_text(builtin)
    else:
        modules.rmdir()  # a kernel without modules
    assert found.scan(100.0) == SHUT


def test_rules_are_read_only_when_they_have_changed(
    tmp_path: Path, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = looking(tmp_path, rules)
    monkeypatch.setattr(packet_filter.time, "process_time", iter([1.0, *[3.0] * 7]).__next__)
    for now in (100.0, 101.0):
        assert found.scan(now) == SHUT
    assert rules.read == 1
    rules.number, rules.closed_now = 2, OPEN
    assert found.scan(101.0) == SHUT  # reading took long: not again at once
    assert found.generation == 2
    assert 0 < found.read_delay < 2.0 / packet_filter.CPU_SHARE
    assert found.scan(101.0 + found.read_delay) == OPEN
    assert (rules.read, found.read_delay) == (2, math.inf)


def test_a_kernel_that_refuses_is_left_alone_after_a_while(
    tmp_path: Path, rules: Rules, capsys: pytest.CaptureFixture[str]
) -> None:
    found = looking(tmp_path, rules)
    found.scan(100.0)
    rules.refused = True
    for now in range(101, 101 + MAX_FAILURES):
        assert found.scan(float(now)) == SHUT
    assert found.descriptor is None
    assert "cannot read the packet filter's rules" in capsys.readouterr().err


def test_the_filter_of_the_old_iptables_is_asked_for_and_makes_the_number_void(
    tmp_path: Path, rules: Rules
) -> None:
    program = tmp_path / "iptables-legacy-save"
    program.write_text(f"#!/bin/sh\ncat <<'EOF'\n{DOCKER_TEXT}EOF\n")
    program.chmod(0o755)
    found = looking(tmp_path, rules, {"iptables-legacy-save": str(program)}.get)
    names = tmp_path / packet_filter.LEGACY_TABLES
    names.parent.mkdir(parents=True)
    names.write_text("nat\nfilter\n")
    found.scan(100.0)
    while found.pending:
        time.sleep(0.01)
        found.scan(100.0)
    assert found.scan(100.0) == Closed(True, (frozenset({CONTAINER}),))
    assert found.generation is None
    names.write_text("")
    assert found.scan(100.0 + PERIOD) == SHUT
    assert found.generation == 1
