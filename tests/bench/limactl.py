# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user waits for, with callao and with limactl, one after the other in each round.

    python tests/bench/limactl.py [ROUNDS]

limactl is the program that ``LIMACTL`` names, or the one on PATH; without one only our column is filled. It
does not run as root. Both have the same golden image, the same lima.yaml, and the QEMU that
``QEMU_SYSTEM_X86_64`` names where that is set. One is first in a round and the other in the next, as the
second has the first's machine beside its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from bench.figures import say
from support.home import build_golden, direct, small

from callao.config import dump
from callao.host import Host

MANY, PATIENCE = 200, 900.0
TEMPLATES = sorted(map(str, (Path(__file__).parents[2] / "templates").glob("*.yaml")))
FIRST_PORT = 24000

LISTEN = """
import socket, sys
opened = {}
for line in sys.stdin:
    what, port = line.split()
    if what == "open":
        opened[port] = near = socket.create_server(("0.0.0.0", int(port)))
    else:
        opened.pop(port).close()
    print(flush=True)
"""


@dataclass
class Tool:
    """One of the two, on a LIMA_HOME of its own; ``took`` are seconds by row."""

    name: str
    argv: Sequence[str]
    home: Path
    took: dict[str, list[float]] = field(default_factory=dict)

    def __call__(self, *words: str) -> str:
        done = self.run(*words)
        if done.returncode:
            raise SystemExit(f"{self.name} {' '.join(words)}: {done.stderr[-2000:]}")
        return done.stdout

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.argv, *words], capture_output=True, text=True, timeout=PATIENCE, check=False,
            env={**os.environ, "LIMA_HOME": str(self.home)},
        )  # fmt: skip

    def time(self, row: str, *words: str) -> None:
        began = time.perf_counter()
        self(*words)
        self.note(row, time.perf_counter() - began)

    def note(self, row: str, figure: float) -> None:
        self.took.setdefault(row, []).append(figure)

    def processes(self) -> list[psutil.Process]:
        """What runs for its instance."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("LIMA_HOME") == str(self.home):
                    found.append(process)
        return found


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/tmp") as folder:
        tools = list(known(Path(folder)))
        golden, host = build_golden(), Host.detect()
        template = Path(folder) / "box.yaml"
        document = {**small(golden, host), **direct(golden), "mounts": []}
        document["containerd"] = {"system": False, "user": False}
        template.write_text(dump(document))
        try:
            quick(tools, template, rounds * 5)
            with_guests(tools, template, rounds)
        finally:
            for tool in tools:
                with contextlib.suppress(SystemExit):
                    tool("delete", "--force", "box")
    table(tools)


def known(folder: Path) -> Iterator[Tool]:
    """Those that there are; ours first."""
    limactl = os.environ.get("LIMACTL") or shutil.which("limactl")
    argvs = {"callao": [str(Path(sys.executable).with_name("callao"))]}
    if limactl is not None:
        if os.geteuid() == 0:
            raise SystemExit("limactl refuses to run as root: run this as another user, or without LIMACTL.")
        argvs["limactl"] = [limactl, "--tty=false"]
    for name, argv in argvs.items():
        (folder / name).mkdir()
        yield Tool(name, argv, folder / name)


def quick(tools: list[Tool], template: Path, rounds: int) -> None:
    """What starts no machine."""
    many = [
        Tool(tool.name, tool.argv, tool.home.with_name(f"{tool.name}-many"), tool.took) for tool in tools
    ]
    for tool in many:
        for number in range(MANY):
            place = tool.home / f"box{number:03}"
            place.mkdir(parents=True)
            shutil.copy(template, place / "lima.yaml")
        tool("list")
    for tool in tools:
        tool("create", "--name", "box", str(template))
        tool("list")
    # Guests of other systems are refused by one or the other.
    valid = [each for each in TEMPLATES if not any(tool.run("validate", each).returncode for tool in tools)]
    for number in range(rounds):
        say(f"without a machine: round {number + 1} of {rounds}")
        for tool, crowd in zip(tools, many, strict=True):
            tool.time("--help", "--help")
            tool.time("list of one", "list")
            crowd.time(f"list of {MANY}", "list")
            crowd.time(f"list of {MANY} as JSON", "list", "--json")
            tool.time(f"validate {len(valid)} templates", "validate", *valid)
            began = time.perf_counter()
            tool("create", "--name", "other", str(template))
            tool.time("delete (stopped)", "delete", "other")
            tool.note("create and delete", time.perf_counter() - began)


def with_guests(tools: list[Tool], template: Path, rounds: int) -> None:
    for number in range(rounds):
        say(f"with a machine: round {number + 1} of {rounds}")
        for tool in tools:
            tool("delete", "--force", "box")
        in_order = tools[:: -1 if number % 2 else 1]
        for tool in in_order:
            began = time.perf_counter()
            tool("create", "--name", "box", str(template))
            tool.time("start to ready", "start", "--timeout", "30m", "box")
            tool.note("create to ready", time.perf_counter() - began)
        for tool in tools:
            footprint(tool)
        in_turn(tools)
        for tool in in_order:
            tool.time("stop", "stop", "box")
            tool.time("restart to ready", "start", "--timeout", "30m", "box")
            tool.time("stop --force", "stop", "--force", "box")


def in_turn(tools: list[Tool]) -> None:
    """Shells, then listeners, of one tool's guest and of the other's."""
    for _ in range(10):
        for tool in tools:
            tool.time("shell box true", "shell", "--workdir", "/", "box", "true")
    with contextlib.ExitStack() as stack:
        ends = {tool.name: stack.enter_context(listening(tool)) for tool in tools}
        for number in range(10):
            for tool in tools:
                port = FIRST_PORT + 100 * tools.index(tool) + number
                time.sleep(0.3 if number % 3 else 6.0)  # a quiet time now and then
                tool.note("a new listener answers", ends[tool.name]("open", port))
                tool.note("a gone listener's port is free", ends[tool.name]("close", port))


@contextlib.contextmanager
def listening(tool: Tool) -> Iterator[Callable[[str, int], float]]:
    """The guest opens and closes ports as it is told; answers how long the host took to follow."""
    command = ["shell", "--workdir", "/", "box", "python3", "-u", "-c", LISTEN]
    process = subprocess.Popen(
        [*tool.argv, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "LIMA_HOME": str(tool.home)},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None

    def tell(what: str, port: int) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{what} {port}\n")
        process.stdin.flush()
        process.stdout.readline()
        began = time.perf_counter()
        while answers(port) != (what == "open"):
            if time.perf_counter() - began > PATIENCE:
                raise SystemExit(f"{tool.name}: port {port} does not {what} on the host")
            time.sleep(0.002)
        return time.perf_counter() - began

    try:
        yield tell
    finally:
        process.stdin.close()
        process.wait()


def answers(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5.0):
            return True
    except OSError:
        return False


def footprint(tool: Tool) -> None:
    """Memory in MiB, and the disk that a fresh instance takes."""
    found = tool.processes()
    machines = [each for each in found if "qemu-system" in each.name()]
    own = sum(each.memory_full_info().pss for each in found if each not in machines)
    tool.note("host processes: PSS, MiB", own / 2**20)
    tool.note("QEMU: RSS, MiB", sum(each.memory_info().rss for each in machines) / 2**20)
    look = "ps -o rss= -C lima-guestagent || ps -o rss= -p $(pgrep -fo lima-guestagent)"
    said = tool("shell", "--workdir", "/", "box", "sh", "-c", look).split()
    tool.note("guest's program: RSS, MiB", sum(map(int, said[:1])) / 1024)
    disk = subprocess.run(
        ["du", "-s", "--block-size=1", str(tool.home / "box")], capture_output=True, text=True, check=True
    )
    tool.note("disk of a fresh instance, MiB", int(disk.stdout.split()[0]) / 2**20)


def table(tools: list[Tool]) -> None:
    """Medians, and ours as a part of theirs."""
    print(f"{'':<34}" + "".join(f"{tool.name:>12}" for tool in tools) + f"{'ratio':>9}")  # noqa: T201
    for row in tools[0].took:
        medians = [statistics.median(tool.took[row]) for tool in tools]
        ratio = f"{medians[0] / medians[1]:8.2f}x" if len(medians) > 1 and medians[1] else ""
        print(f"{row:<34}" + "".join(f"{each:>12.3f}" for each in medians) + f"{ratio:>9}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
