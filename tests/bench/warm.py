# SPDX-License-Identifier: GPL-3.0-or-later
"""Warm machines: a copy's start against a cold one, the return to a snapshot, many copies, Molecule.

    python tests/bench/warm.py [ROUNDS [CYCLES]]

Targets: a warm create at least 12 times as quick as a cold one, the return to a snapshot of a running box
2.5 s at most, ``molecule test`` 4 s beyond Molecule's own time and the role's, and after CYCLES copies
(50) made and removed nothing left.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from bench.figures import say, seconds, show
from bench.report import reported
from support.home import ROOT, Home, build_golden, temporary_home

from callao.events import silent
from callao.lifecycle.snapshots import operations

FOUR = ("w1", "w2", "w3", "w4")


def make(home: Home, name: str, *, warm: bool, **config: object) -> None:
    template = str(home.path / "template.yaml")
    home.ensure(name, template=template, config=config, warm=warm, timeout=600)


def cold_and_warm(home: Home, rounds: int) -> None:
    make(home, "first", warm=True)
    cold, warm = [], []
    for _ in range(rounds):
        cold.append(seconds(lambda: make(home, "cold", warm=False)))
        home.delete("cold")
        for _ in range(3):
            warm.append(seconds(lambda: make(home, "warm", warm=True)))
            home.delete("warm")
        say(f"  cold {cold[-1]:.1f} s, warm {', '.join(told(each) for each in warm[-3:])}")
    ratio = statistics.median(cold) / statistics.median(warm)
    show("cold create / warm create", f"{ratio:.1f}x", ">= 12x", ratio >= 12)


def where(home: Home) -> dict[str, object]:
    return {"home": home.path, "host": home.host, "timeout": 300.0, "report": silent}


def resets(home: Home, rounds: int) -> None:
    took = seconds(lambda: operations.take("first", "pristine", **where(home)))
    show("a running box saved", told(took), "-", True)
    times = [
        seconds(lambda: operations.apply("first", "pristine", **where(home))) for _ in range(2 * rounds)
    ]
    middle = statistics.median(times)
    show("a running box set back", f"{told(middle)} (worst {told(max(times))})", "<= 2.5 s", middle <= 2.5)
    home.delete("first")


def four_at_once(home: Home) -> None:
    with ThreadPoolExecutor(4) as pool:
        took = list(pool.map(lambda name: seconds(lambda: make(home, name, warm=True)), FOUR))
    show("four copies at once, each", ", ".join(told(each) for each in sorted(took)), "-", True)
    for name in FOUR:
        home.delete(name)


def cycles(home: Home, count: int) -> None:
    """Everything of this home and of this process that could pile up, before and after."""

    def left() -> dict[str, int]:
        me = psutil.Process()
        files = sum(len(names) for _, _, names in os.walk(home.path))
        running = [process for process, _ in home.running()]
        sockets = [each for process in (me, *running) for each in process.net_connections("inet")]
        ports = sum(each.status == psutil.CONN_LISTEN for each in sockets)
        return {
            "processes": len(running),
            "files": files,
            "descriptors": me.num_fds(),
            "ports": ports,
        }

    make(home, "warm", warm=True)
    home.delete("warm")
    before = left()
    took = seconds(lambda: [(make(home, "warm", warm=True), home.delete("warm")) for _ in range(count)])
    after = left()
    grown = {key: after[key] - before[key] for key in before if after[key] > before[key]}
    said = f"{told(took / count)} each, left: {grown or 'nothing'}"
    show(f"{count} copies made and removed", said, "nothing", not grown)


ELSEWHERE = """\
driver: {name: default}
ansible: {executor: {args: {ansible_playbook: ["--inventory=${MOLECULE_SCENARIO_DIRECTORY}/hosts.yml"]}}}
verifier: {name: testinfra, options: {ansible-inventory: "${MOLECULE_SCENARIO_DIRECTORY}/hosts.yml"}}
"""
HOSTS = "all: {hosts: {box: {ansible_connection: callao.lima.instance, lima_instance: beside}}}\n"
NOTHING = "- {hosts: localhost, gather_facts: false, tasks: []}\n"


def molecule(home: Home, rounds: int) -> None:
    """The scenario ``service`` by the driver, and the same on a box that runs already, where Molecule's own
    time and the role's are all there is: it is as pristine each time, or the role had less to do there."""
    make(home, "beside", warm=True)  # as the scenario's
    operations.take("beside", "pristine", **where(home))
    with tempfile.TemporaryDirectory(prefix="callao-", dir="/tmp") as folder:
        scenarios = Path(folder) / "molecule"
        for name in ("ours", "cold", "beside"):
            shutil.copytree(ROOT / "extensions" / "molecule" / "service", scenarios / name)
        (Path(folder) / ".config" / "molecule").mkdir(parents=True)
        shutil.copy(ROOT / "extensions" / "molecule" / "config.yml", Path(folder) / ".config" / "molecule")
        described = (scenarios / "cold" / "molecule.yml").read_text()
        (scenarios / "cold" / "molecule.yml").write_text(
            described.replace("    cpus: 2\n", "    cpus: 2\n    warm: false\n")
        )
        (scenarios / "beside" / "molecule.yml").write_text(ELSEWHERE)
        (scenarios / "beside" / "hosts.yml").write_text(HOSTS)
        for step in ("create", "destroy"):
            (scenarios / "beside" / f"{step}.yml").write_text(NOTHING)
        environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("ANSIBLE_", "MOLECULE_"))
            },
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LIMA_HOME": str(home.path),
            "ANSIBLE_HOME": f"{folder}/ansible",
            "CALLAO_SCENARIO_TEMPLATE": str(home.path / "template.yaml"),
        }

        def test(scenario: str) -> Took:
            return tested(scenario, Path(folder), environment)

        test("ours")  # the first of its kind boots
        warm, beside = [], []
        for _ in range(rounds):
            # Off meanwhile: the two would share the host's cores.
            home.ensure("beside", template=None, state="stopped", force=True)
            warm.append(test("ours"))
            operations.apply("beside", "pristine", **where(home))
            beside.append(test("beside"))
            say(f"  molecule test: warm {warm[-1].told()}, on a box that runs {beside[-1].told()}")
        cold = test("cold")
    middle, own = (statistics.median(each.whole for each in them) for them in (warm, beside))
    ratio = f"{told(cold.whole)}, {told(middle)}: {cold.whole / middle:.1f}x"
    show("molecule test: cold, warm", ratio, "-", True)
    show("on a box that runs, as a whole", f"{told(own)}, {told(middle - own)} less", "-", True)
    middle, own = (statistics.median(each.boxes for each in them) for them in (warm, beside))
    beyond = f"{told(middle)} - {told(own)} = {told(middle - own)}"
    show("its create and destroy, beyond empty ones", beyond, "<= 4 s", middle - own <= 4)
    home.delete("beside")


@dataclass(frozen=True)
class Took:
    """Seconds of one ``molecule test``: of all of it, and of the steps in which the two differ. The others
    are the role's work in the guest, which varies by more than those take."""

    whole: float
    boxes: float

    def told(self) -> str:
        return f"{told(self.whole)} ({told(self.boxes)} of it create and destroy)"


STEP = re.compile(r"^[A-Z]+ .*(create|destroy): (Executing|Executed)")
"""In Molecule's log, not in the summary at its end."""


def tested(scenario: str, folder: Path, environment: dict[str, str]) -> Took:
    """With its words, where it fails."""
    argv = [sys.executable, "-u", "-m", "molecule", "test", "-s", scenario]
    began, boxes, lines = time.perf_counter(), 0.0, []
    with subprocess.Popen(
        argv, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if step := STEP.search(re.sub(r"\x1b\[[0-9;]*m", "", line)):
                now = time.perf_counter()
                boxes += now if step[2] == "Executed" else -now
    if process.returncode:
        raise SystemExit(f"{' '.join(argv)}: {''.join(lines)}")
    return Took(time.perf_counter() - began, boxes)


def told(each: float) -> str:
    return f"{each:.1f} s"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    with temporary_home(build_golden(), cache=None) as plain, reported("warm", plain) as home:
        home.template(**home.direct())
        cold_and_warm(home, rounds)
        resets(home, rounds)
        four_at_once(home)
        molecule(home, rounds)
        cycles(home, count)


if __name__ == "__main__":
    main()
