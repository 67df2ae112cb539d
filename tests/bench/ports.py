# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of one guest in one run: what each way carries, against the hypervisor's own forward given at the
start (``bare``) and against ``ssh -L`` by hand; how soon a listener is reachable, and what waiting costs.

python tests/bench/ports.py [MIB] [ROUNDS]
"""

from __future__ import annotations

import contextlib
import json
import random
import shlex
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import say, seconds, show
from support.home import Home, build_golden, temporary_home

from callao.instances import inspect
from callao.lifecycle.port_forwards import forwards_of
from callao.ports import any_free

CONTROL, BARE, OPEN, LOOPBACK, INSIDE = range(21000, 21005)
"""Ports of the guest. INSIDE listens on ::1 only, which none but the guest's program and ssh reach."""

PACKETS, RATE = 30_000, 10_000
PATIENCE = 60.0
BLOCK = bytes(1 << 18)


@dataclass
class Box:
    home: Home
    ports: dict[int, int]
    """The host's port for each of the guest's that has one from the start."""

    def tell(self, **words: Any) -> dict[str, Any]:
        """Have the guest's end do something, and hear what it has counted."""
        with socket.create_connection(("127.0.0.1", self.ports[CONTROL]), timeout=PATIENCE) as near:
            near.sendall(json.dumps(words).encode() + b"\n")
            answer: dict[str, Any] = json.loads(near.makefile().readline())
            return answer

    def forwarded(self) -> set[tuple[str, int]]:
        """(proto, port) of the guest's that are forwarded now."""
        instance = inspect("box", self.home.path, self.home.host)
        return {(each["proto"], each["guestPort"]) for each in forwards_of(instance)["forwards"]}


def main(mib: int, rounds: int) -> None:
    ports = {CONTROL: any_free(), BARE: any_free()}
    rules = [{"guestPort": guest, "hostPort": host, "static": True} for guest, host in ports.items()]
    with temporary_home(build_golden()) as home:
        home.ensure("box", extra={**home.direct(), "portForwards": rules}, timeout=400)
        idle(home)
        text = (Path(__file__).parent / "ports_guest.py").read_text()
        put = f"printf %s {shlex.quote(text)} | sudo tee /run/end.py >/dev/null"
        run = f"sudo setsid python3 /run/end.py {CONTROL} >/dev/null 2>&1 </dev/null &"
        home.ssh("box", f"{put}; {run} sleep 3")
        box = Box(home, ports)
        tcp(box, mib, rounds)
        udp(box, 5)
        appearing(box, 12)
        many(box)


def tcp(box: Box, mib: int, rounds: int) -> None:
    listeners = [("0.0.0.0", BARE), ("0.0.0.0", OPEN), ("127.0.0.1", LOOPBACK), ("::1", INSIDE)]
    box.tell(listen=[("tcp", *each) for each in listeners])
    for port in (OPEN, LOOPBACK, INSIDE):
        reachable(port)
    with by_ssh(box, master=True) as ours, by_ssh(box, master=False) as by_hand:
        ways = {
            "bare": box.ports[BARE],
            "slirp": OPEN,
            "slirp, loopback": LOOPBACK,
            "agent": INSIDE,
            "ssh": ours,
            "ssh -L": by_hand,
        }
        figures = in_turn(ways, rounds, {"to the guest": upload, "from the guest": download}, mib << 20)
    for direction, took in figures.items():
        speed = {way: mib / statistics.median(each) for way, each in took.items()}
        for way, against, least in (
            ("slirp", "bare", 0.98),
            ("slirp, loopback", "bare", 0.0),
            ("agent", "bare", 0.0),
            ("agent", "ssh -L", 1.0),
            ("ssh", "ssh -L", 0.95),
        ):
            ratio = statistics.median(b / a for a, b in zip(took[way], took[against], strict=True))
            value = f"{speed[way]:.1f} MiB/s, {against} {speed[against]:.1f}: {ratio:.2f}x"
            show(f"TCP {direction}: {way}", value, f">= {least}x" if least else "-", ratio >= least)
    for way in ("bare", "slirp", "agent"):
        began = time.perf_counter()
        with ThreadPoolExecutor(100) as pool:
            lost = list(pool.map(lambda _: ask(ways[way]), range(1000))).count(b"")  # noqa: B023
        value = f"{time.perf_counter() - began:.1f} s, {lost} lost"
        target, met = ("-", True) if way == "bare" else ("none lost", not lost)
        show(f"1,000 connections, 100 at once: {way}", value, target, met)
    box.tell(close=[port for _, port in listeners])


def in_turn(
    ways: dict[str, int], rounds: int, works: dict[str, Callable[[int, int], None]], size: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds for each work and way; one after the other in each round, in an order of its own."""
    took: dict[str, dict[str, list[float]]] = {name: {way: [] for way in ways} for name in works}
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}")
        for name, work in works.items():
            for way in random.sample(list(ways), len(ways)):
                spent = seconds(lambda: work(ways[way], size))  # noqa: B023
                if number:  # the first one warms up
                    took[name][way].append(spent)
    return took


def upload(port: int, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as near:
        near.sendall(b">")
        left = size
        while left:
            left -= near.send(memoryview(BLOCK)[: min(left, len(BLOCK))])
        near.shutdown(socket.SHUT_WR)
        assert int.from_bytes(near.recv(8), "big") == size


def download(port: int, size: int) -> None:
    buffer = bytearray(1 << 18)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as near:
        near.sendall(b"<" + size.to_bytes(8, "big"))
        left = size
        while found := near.recv_into(buffer):
            left -= found
    assert left == 0


def ask(port: int) -> bytes:
    """Empty when there is no answer."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE / 2) as near,
    ):
        near.sendall(b"?")
        return near.recv(1)
    return b""


def reachable(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while ask(port) != b"?":
        assert time.monotonic() < deadline, port
        time.sleep(0.01)


@contextlib.contextmanager
def by_ssh(box: Box, *, master: bool) -> Iterator[int]:
    """INSIDE by a forward of the agent's master, or of an ssh of its own."""
    port = any_free()
    argv = ["ssh", "-F", str(box.home.path / "box" / "ssh.config")]
    forward = ["-L", f"127.0.0.1:{port}:[::1]:{INSIDE}", "lima-box"]
    if master:
        subprocess.run([*argv, "-O", "forward", *forward], check=True, capture_output=True)
        yield port
        subprocess.run([*argv, "-O", "cancel", *forward], check=True, capture_output=True)
        return
    process = subprocess.Popen([*argv, "-S", "none", "-N", *forward], stderr=subprocess.DEVNULL)
    try:
        reachable(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def udp(box: Box, rounds: int) -> None:
    listeners = [("0.0.0.0", BARE), ("0.0.0.0", OPEN), ("::1", INSIDE)]
    box.tell(listen=[("udp", *each) for each in listeners])
    until(lambda: {("udp", OPEN), ("udp", INSIDE)} <= box.forwarded())
    ways = {"bare": (BARE, box.ports[BARE]), "slirp": (OPEN, OPEN), "agent": (INSIDE, INSIDE)}
    lost: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in random.sample(list(ways), len(ways)):
            guest, host = ways[way]
            before = box.tell()["datagrams"][str(guest)]
            send_paced(host)
            lost[way].append(100 * (1 - (settled(box, guest) - before) / PACKETS))
    bare = statistics.median(lost["bare"])
    for way in ("slirp", "agent"):
        ours = statistics.median(lost[way])
        target, met = ("<= bare + 0.5", ours <= bare + 0.5) if way == "slirp" else ("-", True)
        show(f"UDP, {RATE} packets/s: lost by {way}", f"{ours:.2f} %, bare {bare:.2f} %", target, met)
    box.tell(close=[port for _, port in listeners])


def send_paced(port: int) -> None:
    """Ten each millisecond."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.connect(("127.0.0.1", port))
        began = time.perf_counter()
        for number in range(PACKETS):
            near.send(BLOCK[:200])
            ahead = (number + 1) / RATE - (time.perf_counter() - began)
            if ahead > 0.001:
                time.sleep(ahead)


def settled(box: Box, port: int) -> int:
    """What has arrived when nothing more does."""
    count = -1
    while (now := box.tell()["datagrams"][str(port)]) != count:
        count = now
        time.sleep(1)
    return count


def appearing(box: Box, times: int) -> None:
    took = []
    for number in range(times):
        port = 22000 + number
        time.sleep(2 + random.random())  # the guest's program has come to rest, and may be anywhere in it
        began = time.perf_counter()
        box.tell(listen=[("tcp", "0.0.0.0", port)])
        reachable(port)
        took.append(time.perf_counter() - began)
    box.tell(close=list(range(22000, 22000 + times)))
    median = statistics.median(took)
    value = f"{median:.2f} s, at most {max(took):.2f} s"
    show("new listener to an answer on the host", value, "<= 1.0 s", median <= 1.0)


def many(box: Box) -> None:
    ports = set(range(23000, 23200))
    box.tell(listen=[("tcp", "0.0.0.0", port) for port in sorted(ports)])
    wanted = {("tcp", port) for port in ports}
    came = seconds(lambda: until(lambda: wanted <= box.forwarded()))
    missed = sum(ask(port) != b"?" for port in ports)
    box.tell(close=sorted(ports))
    went = seconds(lambda: until(lambda: not wanted & box.forwarded()))
    left = sum(ask(port) == b"?" for port in ports)
    value = f"{came:.1f} s, {went:.1f} s; {missed} missed, {left} left"
    show("200 listeners appear, and vanish", value, "none", missed == left == 0)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def idle(home: Home, window: float = 60.0) -> None:
    """CPU of the guest's program while nothing happens; stat's fields 14 and 15 are hundredths (proc(5))."""
    pid = home.ssh("box", "pgrep -fo [l]ima-guestagent").stdout.strip()
    look = f"cut -d' ' -f14,15 /proc/{pid}/stat"
    time.sleep(10)
    before = sum(map(int, home.ssh("box", look).stdout.split()))
    say(f"watching an idle guest's program for {window:.0f} s")
    time.sleep(window)
    used = sum(map(int, home.ssh("box", look).stdout.split())) - before
    show("guest's program, idle: CPU", f"{used / window:.2f} %", "<= 0.5 %", used / window <= 0.5)


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(*given, *(32, 9)[len(given) :]))
