# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user waits for before a command does anything: ``callao --help``, and a list of many instances.

    python tests/bench/commands.py [ROUNDS]

Whole processes, taken in turn with ``python -c pass``, which is the least that any of them can take.
The instances are folders that look like what a start leaves; half of them seem to run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import say, seconds, show

from callao.config import dump
from callao.instances import InstancePaths, Record, Runtime
from callao.instances.process_identity import ProcessIdentity, identify
from callao.instances.records import write_json

MANY, FEW = 200, 10
CALLAO = [sys.executable, "-m", "callao.cli.main"]
DOCUMENT = {
    "vmType": "qemu",
    "arch": "x86_64",
    "images": [{"location": "https://example.com/image.qcow2", "arch": "x86_64"}],
    "cpus": 2,
    "memory": "2GiB",
    "mounts": [{"location": "~"}],
    "portForwards": [{"guestPort": 80, "hostPort": 8080}],
}


def make(home: Path, count: int, process: ProcessIdentity) -> None:
    """Instances box000, box001 and so on; each second one runs."""
    for number in range(count):
        paths = InstancePaths(home / f"box{number:03}")
        paths.dir.mkdir(parents=True)
        paths.lima_yaml.write_text(dump(DOCUMENT))
        write_json(paths.callao_json, Record(template="debian-12"))
        if number % 2:
            write_json(
                paths.runtime, Runtime(agent=process, driver=process, ssh_port=40000 + number, ready=True)
            )


def run(argv: list[str], home: Path) -> float:
    environment = {**os.environ, "LIMA_HOME": str(home)}

    def work() -> None:
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True, env=environment)

    return seconds(work)


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="callao-bench-") as folder:
        sleeper = subprocess.Popen(["sleep", "3600"])
        try:
            process = identify(sleeper.pid)
            assert process is not None
            homes = {count: Path(folder) / str(count) for count in (MANY, FEW)}
            for count, home in homes.items():
                make(home, count, process)
            first = run([*CALLAO, "list"], homes[MANY])
            say(f"first list of {MANY}, each lima.yaml read: {first:.2f} s")
            run([*CALLAO, "list"], homes[FEW])
            taken: dict[str, list[float]] = {"pass": [], "help": [], "many": [], "few": []}
            for _ in range(rounds):
                taken["pass"].append(run([sys.executable, "-c", "pass"], homes[FEW]))
                taken["help"].append(run([*CALLAO, "--help"], homes[FEW]))
                taken["many"].append(run([*CALLAO, "list"], homes[MANY]))
                taken["few"].append(run([*CALLAO, "list"], homes[FEW]))
        finally:
            sleeper.kill()
            sleeper.wait()
    bare, help_, many, few = (statistics.median(taken[key]) for key in ("pass", "help", "many", "few"))
    show(
        f"callao --help (python -c pass: {1000 * bare:.0f} ms)", f"{help_:.3f} s", "<= 0.15 s", help_ <= 0.15
    )
    show(f"callao list of {MANY} instances", f"{many:.3f} s", "<= 0.4 s", many <= 0.4)
    ratio = many / few
    show(
        f"the same against a list of {FEW}", f"{many:.3f}/{few:.3f} = {ratio:.2f}x", "<= 1.3x", ratio <= 1.3
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
