# SPDX-License-Identifier: GPL-3.0-or-later
"""Container engines in a guest: how soon a container's port is on the host, whether each of many containers
on one port answers for itself, what asking the engine through the forwarded socket costs, and what the
guest's program uses while a hundred ports are published.

python tests/bench/engines.py [STARTS] [SECONDS] [RESTARTS]
"""

from __future__ import annotations

import shlex
import socket
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import say, seconds, show
from support.engines import NAME, Engines, answers, image_folder, running_engines

from callao.instances import InstancePaths
from callao.ports import any_free

WATCH = """
import socket, sys, time
port = "%04X" % int(sys.argv[1])
server = socket.create_server(("0.0.0.0", int(sys.argv[2])))
while True:
    link, _ = server.accept()
    with link:
        while True:
            lines = open("/proc/net/tcp").readlines() + open("/proc/net/tcp6").readlines()
            fields = [line.split() for line in lines]
            if any(each[1].endswith(":" + port) and each[3] == "0A" for each in fields):
                break
            time.sleep(0.001)
        link.sendall(b"!")
"""
"""Tells whoever connects when somebody listens on a port of the guest."""

ASK = """
import subprocess, sys, time
argv = ["docker", "--host", sys.argv[1], "info"]
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    print(time.perf_counter() - began)
"""
PORTS = 100
PATIENCE = 120.0
"""Seconds within which a port is forwarded."""


def main(starts: int, window: float, restarts: int) -> None:
    with running_engines() as engines:
        engines.play("docker", "rootless", "docker.sock")
        engines.docker("docker", "build", "--tag", "hand", str(image_folder(engines)))
        appearing(engines, starts)
        asking(engines, 10)
        idle(engines, window)
        restarting(engines, restarts)


def appearing(engines: Engines, starts: int) -> None:
    """From when somebody listens on the published port in the guest to when the host's port is open."""
    port, control = any_free(), any_free()
    program = f"python3 -c {shlex.quote(WATCH)} {port} {control}"
    engines.run(f"setsid {program} >/dev/null 2>&1 </dev/null & sleep 2")
    took = []
    for number in range(starts):
        say(f"container {number + 1} of {starts}")
        with reachable(control) as link:
            argv = ("run", "--detach", "--name=web", f"--publish={port}:80", "hand")
            runner = threading.Thread(target=engines.docker, args=("docker", *argv))
            runner.start()
            assert link.recv(1) == b"!"
            listened = time.perf_counter()
            reachable(port, 0.001).close()
            took.append(time.perf_counter() - listened)
            runner.join()
        engines.docker("docker", "rm", "--force", "web")
    median = statistics.median(took)
    value = f"{median:.3f} s, at most {max(took):.3f} s"
    show(f"container's port on the host ({starts} starts)", value, "<= 0.05 s", median <= 0.05)


def reachable(port: int, pause: float = 0.05) -> socket.socket:
    """A connection to a port of the guest, as soon as it is forwarded.

    :param pause: seconds between two looks.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(pause)


def asking(engines: Engines, times: int) -> None:
    engines.docker("docker", "info")
    here = [seconds(lambda: engines.docker("docker", "info")) for _ in range(times)]
    url = "unix:///run/user/$(id -u)/docker.sock"
    there = engines.run(f"python3 -c {shlex.quote(ASK)} {url} {times}").splitlines()
    a, b = statistics.median(here), statistics.median(map(float, there))
    show("docker info: from the host, in the guest", f"{a:.2f} s / {b:.2f} s = {a / b:.2f}x", "-", True)


def idle(engines: Engines, window: float) -> None:
    """CPU of the guest's program and of the host agent; stat's fields 14 and 15 are hundredths (proc(5))."""
    first = 30000
    publish = f"--publish={first}-{first + PORTS - 1}:{first}-{first + PORTS - 1}"
    engines.docker("docker", "run", "--detach", "--name=many", publish, "hand")
    forwarded(first + PORTS - 1)
    agent = int(InstancePaths(engines.home.path / NAME).ha_pid.read_text())
    guest = engines.run("pgrep -fo [l]ima-guestagent")
    look = f"cut -d' ' -f14,15 /proc/{guest}/stat"
    time.sleep(10)
    before, near = ticks(engines.run(look)), ticks(stat(agent))
    say(f"watching for {window:.0f} s")
    time.sleep(window)
    used, ours = ticks(engines.run(look)) - before, ticks(stat(agent)) - near
    value = f"{used / window:.2f} %, host agent {ours / window:.2f} %"
    show(
        f"{PORTS} published ports, idle: CPU of the guest's program", value, "<= 0.5 %", used / window <= 0.5
    )


def restarting(engines: Engines, times: int) -> None:
    """Whether each container on one port answers for itself, and none for the one before."""
    say(f"{times} containers on one port, one after another")
    found = answers(engines, "docker", times)
    own = sum(found[number] == str(number) for number in range(times))
    show(f"of {times} containers on one port, those that answered", str(own), f"= {times}", own == times)


def forwarded(port: int) -> None:
    reachable(port).close()


def stat(pid: int) -> str:
    return " ".join(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])


def ticks(text: str) -> int:
    return sum(map(int, text.split()))


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(*given, *(50, 60, 100)[len(given) :]))
