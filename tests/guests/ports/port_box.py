# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest with servers of its own, and what the host hears from them."""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.home import Home

from callao.instances import inspect
from callao.lifecycle.port_forwards import ForwardRequest, ensure_forward, forwards_of

pytestmark = pytest.mark.guest

SERVER = r"""
import json, os, selectors, socket, sys
wanted = json.loads(sys.argv[1])
if os.fork():
    os._exit(0)
os.setsid()
for fd in range(3):
    os.close(fd)
selector = selectors.DefaultSelector()
for kind, address, port in wanted:
    if kind == "unix":
        s = socket.socket(socket.AF_UNIX); s.bind(address); os.chmod(address, 0o666)
    else:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        s = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        if kind == "v6only":
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
    if kind != "udp":
        s.listen(128)
    s.setblocking(False)
    selector.register(s, selectors.EVENT_READ, kind)
while True:
    for key, _ in selector.select():
        if key.data == "udp":
            data, peer = key.fileobj.recvfrom(2048)
            key.fileobj.sendto(b"echo " + data, peer)
        elif key.data == "open":
            data = key.fileobj.recv(65536)
            if data:
                key.fileobj.sendall(b"echo " + data)
            else:
                selector.unregister(key.fileobj); key.fileobj.close()
        else:
            client, _ = key.fileobj.accept()
            selector.register(client, selectors.EVENT_READ, "open")
"""
"""Echoes on each (kind, address, port) that it is given, in the background."""

PATIENCE = 180.0


@dataclass
class Box:
    home: Home
    base: int
    notices: list[str]

    def told(self) -> list[dict[str, str]]:
        """Each event of port forwarding so far."""
        log = (self.home.path / "box" / "ha.stdout.log").read_text().splitlines()
        events = [json.loads(line).get("status", {}).get("portForward") for line in log]
        return [each for each in events if each]

    @property
    def sock(self) -> Path:
        return self.home.path / "box" / "ha.sock"

    def serve(self, *wanted: tuple[str, str, int]) -> None:
        done = self.home.ssh("box", f"sudo python3 /run/server.py {shlex.quote(json.dumps(wanted))}")
        assert done.returncode == 0, done.stderr

    def silence(self) -> None:
        self.home.ssh("box", "sudo pkill -f '^python3 /run/[s]erver.py'; sudo rm -f /run/test.sock")

    def ssh(self, *words: str) -> None:
        """ssh's own commands to the control master."""
        config = str(self.home.path / "box" / "ssh.config")
        subprocess.run(["ssh", "-F", config, *words, "lima-box"], check=True, capture_output=True)

    def forward(self, rule: dict[str, Any], **more: Any) -> bool:
        request = ForwardRequest(instance="box", rule=rule, **more)
        return ensure_forward(request, home=self.home.path, host=self.home.host, check=False).changed

    def forwards(self) -> dict[str, list[dict[str, Any]]]:
        return forwards_of(inspect("box", self.home.path, self.home.host))


BLOCK = 60
"""Ports of the host that rules name, one after another."""

EVERYWHERE = {"guestIP": "0.0.0.0", "guestIPMustBeZero": False}


def rules_for(base: int) -> list[dict[str, Any]]:
    """Rules of each kind, for the guest's ports from 3000 and the host's from ``base``."""

    def ports(first: int, last: int) -> dict[str, Any]:
        return {"guestPortRange": [first, last], "hostPortRange": [base + first - 3000, base + last - 3000]}

    return [
        {"guestSocket": "/run/test.sock", "hostSocket": "test.sock"},
        {"guestIP": "127.0.0.2", **ports(3000, 3009), "ignore": True},
        {**EVERYWHERE, **ports(3010, 3019), "ignore": True},
        {**EVERYWHERE, **ports(3000, 3029)},
        {"guestIPMustBeZero": True, **ports(3040, 3049)},
        {**EVERYWHERE, **ports(3040, 3049), "ignore": True},
        {"guestIP": "0.0.0.0", **ports(3050, 3050), "hostIP": "0.0.0.0"},
        {"guestIP": "::1", **ports(3051, 3051), "hostIP": "::"},
        {"guestPort": 3052, "hostSocket": "page.sock"},
        ports(3053, 3053),
        {"guestIP": "::", **ports(3030, 3035)},
        {"guestIP": "192.168.5.15", **ports(3054, 3054)},
        {**EVERYWHERE, "guestPort": 3055, "hostSocket": "all.sock"},
        {"guestPort": 3056, "hostSocket": "loopback.sock"},
        ports(3057, 3057),
    ]


CASES: list[tuple[str, int, str]] = [
    ("127.0.0.2", 3000, ""),
    ("127.0.0.3", 3001, "127.0.0.1:BASE+1"),
    ("0.0.0.0", 3002, "127.0.0.1:BASE+2"),
    ("0.0.0.0", 3010, ""),
    ("127.0.0.1", 3011, ""),
    ("192.168.5.15", 3020, "127.0.0.1:BASE+20"),
    ("::", 3021, "127.0.0.1:BASE+21"),
    ("0.0.0.0", 3040, "127.0.0.1:BASE+40"),
    ("127.0.0.1", 3043, ""),
    ("192.168.5.15", 3044, ""),
    ("127.0.0.1", 3050, "127.0.0.1:3050"),
    ("::1", 3051, "[::]:BASE+51"),
    ("127.0.0.1", 3052, "SOCKETS/page.sock"),
    ("127.0.0.2", 3030, "127.0.0.1:BASE+30"),
    ("192.168.5.15", 3031, "127.0.0.1:BASE+31"),
    ("0.0.0.0", 3032, "127.0.0.1:BASE+32"),
    ("::", 3033, "127.0.0.1:BASE+33"),
    ("::1", 3034, "127.0.0.1:BASE+34"),
    ("192.168.5.15", 3054, "127.0.0.1:BASE+54"),
    ("192.168.5.15", 3055, "SOCKETS/all.sock"),
    ("192.168.5.15", 3056, ""),
    ("192.168.5.15", 3057, ""),
]
"""The address and port of a server of the guest, and where the rules lead to it from, if anywhere."""


def free_ports(count: int) -> list[int]:
    """Ports of the host that are free; they will be the guest's, too. None is one of UDP clients."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in range(20000, 32000):
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no free ports")


def free_block(count: int) -> int:
    """The first of so many free ports of the host in a row. None is one that the kernel gives to clients."""
    for base in range(12000, 20000, count):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(base, base + count):
                held.enter_context(socket.socket()).bind(("", port))
            return base
    raise AssertionError("no free ports")


def echoed(port: int, text: str = "hi", address: str = "127.0.0.1") -> str:
    """What a TCP server says to ``text``; empty when none answers."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=10) as client:
        client.settimeout(10)
        client.sendall(text.encode())
        return client.recv(1000).decode()
    return ""


def asked(host: str) -> str:
    """What a server says that is found at an address and port, or at a socket's path."""
    if not host.startswith("/"):
        ip, _, port = host.rpartition(":")
        return echoed(int(port), address=ip.strip("[]"))
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(host)
        client.sendall(b"hi")
        return client.recv(100).decode()
    return ""


def joined(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def echoed_udp(port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        with contextlib.suppress(OSError):
            client.sendto(b"hi", ("127.0.0.1", port))
            return client.recv(1000).decode()
    return ""


def becomes(look: Callable[[], object], wanted: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)
