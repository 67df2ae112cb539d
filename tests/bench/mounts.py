# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared directories against the same mounted by hand, in one guest and one run.

For each type: 256 MiB written and read, 5,000 small files made, looked at and removed; target: at most
5 % slower than by hand. Then a hot mount and its removal, until usable, beyond what mount(8) itself
takes (target: 1.0 s), eight at once, and 100 of each, after which nothing may be left.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from bench.figures import say, show
from support.home import Home, build_golden, temporary_home

from callao.config.schema import Mount
from callao.config.shares import mount_tag
from callao.hostagent.api.client import call
from callao.instances import Runtime
from callao.instances.records import read_json

TYPES = ("virtiofs", "9p", "reverse-sshfs")
CYCLES = 100
WORK = r"""
import json, os, sys, time
top, size, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
took = {}
def timed(name, work):
    begun = time.monotonic(); work(); took[name] = time.monotonic() - begun
block = os.urandom(1 << 20)
def write():
    with open(top + "/big", "wb", 0) as file:
        for _ in range(size): file.write(block)
        os.fsync(file.fileno())
def read():
    with open(top + "/big", "rb", 0) as file:
        while file.read(1 << 20): pass
def make():
    for n in range(count):
        with open(top + "/f%d" % n, "wb") as file: file.write(b"x")
def look():
    for n in range(count): os.stat(top + "/f%d" % n)
def remove():
    for n in range(count): os.unlink(top + "/f%d" % n)
def forget():
    os.system("sync; echo 3 >/proc/sys/vm/drop_caches")
timed("write", write); forget(); timed("read", read); forget()
timed("create", make); forget(); timed("stat", look); timed("unlink", remove)
os.unlink(top + "/big")
print(json.dumps(took))
"""


def main() -> None:
    size, count = (int(each) for each in (*sys.argv[1:], "256", "5000")[:2])
    with temporary_home(build_golden("generic")) as home:
        for kind in TYPES:
            compare(home, kind, size, count)
        hot(home)


def compare(home: Home, kind: str, size: int, count: int) -> None:
    folder = home.path / "shared"
    folder.mkdir(exist_ok=True)
    points = ("callao",) if kind == "reverse-sshfs" else ("callao", "hand")
    mounts = [{"location": str(folder), "mountPoint": f"/mnt/{each}", "writable": True} for each in points]
    home.ensure("box", extra={**home.direct(), "mountType": kind, "mounts": mounts}, timeout=400)
    rooted(home, f"printf %s {shlex.quote(WORK)} >/run/work.py; mkdir -p /mnt/hand")
    with by_hand(home, kind, folder):
        figures: dict[str, list[dict[str, float]]] = {"callao": [], "hand": []}
        rooted(home, f"python3 /run/work.py /mnt/hand {size} {count}")  # the host's disk and caches wake up
        for who in ("callao", "hand", "hand", "callao"):
            line = rooted(home, f"python3 /run/work.py /mnt/{who} {size} {count}")
            figures[who].append(json.loads(line))
    for what in figures["callao"][0]:
        ours, theirs = (statistics.median(each[what] for each in figures[who]) for who in ("callao", "hand"))
        value = f"{ours:.2f} s, by hand {theirs:.2f} s: {ours / theirs:.2f}x"
        show(f"{kind}: {what}", value, "<= 1.05x", ours / theirs <= 1.05)
    home.delete("box")


@contextlib.contextmanager
def by_hand(home: Home, kind: str, folder: Path) -> Iterator[None]:
    """The same device mounted with the kernel's own words; for sshfs, what its manual page says."""
    if kind != "reverse-sshfs":
        source = mount_tag(Mount(location=str(folder), mount_point="/mnt/hand"))
        options = "-o trans=virtio,version=9p2000.L,msize=131072,cache=mmap" if kind == "9p" else ""
        rooted(home, f"umount /mnt/hand && mount -t {kind} {options} {source} /mnt/hand")
        yield
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = subprocess.Popen(["/usr/lib/openssh/sftp-server", "-e"], stdin=ours, stdout=ours)
        argv = ["ssh", "-F", str(home.path / "box" / "ssh.config"), "lima-box"]
        command = f"sudo sshfs :{folder} /mnt/hand -o passive,allow_other"
        session = subprocess.Popen([*argv, command], stdin=theirs, stdout=theirs)
    time.sleep(4)
    try:
        yield
    finally:
        for process in (session, server):
            process.kill()
            process.wait()


def hot(home: Home) -> None:
    home.ensure("box", extra=home.direct(), timeout=400)
    sock = home.path / "box" / "ha.sock"
    folders = [home.path / f"hot{number}" for number in range(8)]
    for folder in folders:
        folder.mkdir()
    rooted(home, "mkdir -p /mnt/t")
    own = statistics.median(
        timed(lambda: rooted(home, "mount -t tmpfs t /mnt/t; umount /mnt/t")) for _ in range(5)
    )
    for kind in TYPES:
        added, removed = [], []
        for _ in range(7):
            added.append(timed(lambda: add(sock, folders[0], kind)))  # noqa: B023
            removed.append(timed(lambda: remove(sock, folders[0])))
        extra = max(statistics.median(added), statistics.median(removed)) - own
        value = f"add {statistics.median(added):.2f} s, remove {statistics.median(removed):.2f} s"
        show(f"hot {kind} (mount by ssh: {own:.2f} s)", value, "<= 1.0 s beyond", extra <= 1.0)
    with ThreadPoolExecutor(8) as pool:
        together = timed(lambda: list(pool.map(lambda each: add(sock, each, "virtiofs"), folders)))
        say(f"eight hot mounts at once: {together:.2f} s")
        list(pool.map(lambda each: remove(sock, each), folders))
    before = state(home)
    for number in range(CYCLES):
        kind = TYPES[number % 3]
        add(sock, folders[0], kind)
        remove(sock, folders[0])
    after = state(home)
    left = {
        key: after[key] - before[key] for key in before if "MiB" not in key and after[key] != before[key]
    }
    show(f"{CYCLES} cycles of add and remove", f"{before} -> {after}", "nothing left", not left)


def add(sock: Path, folder: Path, kind: str) -> None:
    body = {"location": str(folder), "mountPoint": f"/mnt/{folder.name}", "type": kind, "writable": True}
    call(sock, "POST", "/v1/mounts", body=body, timeout=120)


def remove(sock: Path, folder: Path) -> None:
    call(sock, "DELETE", f"/v1/mounts?mountPoint=/mnt/{folder.name}", timeout=120)


def state(home: Home) -> dict[str, int]:
    """Descriptors and memory of the agent and of QEMU, and their children."""
    runtime = read_json(home.path / "box" / "runtime.json", Runtime)
    assert runtime is not None
    assert runtime.driver is not None
    agent, qemu = psutil.Process(runtime.agent.pid), psutil.Process(runtime.driver.pid)
    return {
        "agent fds": agent.num_fds(),
        "agent MiB": agent.memory_info().rss >> 20,
        "children": len(agent.children(recursive=True)),
        # The guest's own UDP goes through sockets of QEMU's that age out by themselves.
        "qemu fds": qemu.num_fds()
        - sum(each.type == socket.SOCK_DGRAM for each in qemu.net_connections("inet")),
        "qemu MiB": qemu.memory_info().rss >> 20,
    }


def timed(work: object) -> float:
    begun = time.monotonic()
    work()  # type: ignore[operator]
    return time.monotonic() - begun


def rooted(home: Home, command: str) -> str:
    done = home.ssh("box", f"sudo sh -c {shlex.quote(command)}", timeout=1200)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main()
