# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a play and learning how long each of its tasks took."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent


def task_seconds(folder: Path, playbook: str, inventory: str, lima_home: Path) -> dict[str, list[float]]:
    """Run ``playbook`` (YAML text); seconds by task name, in order."""
    (folder / "play.yml").write_text(playbook)
    (folder / "hosts.yml").write_text(inventory)
    log = folder / "seconds.tsv"
    log.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "seconds",
        "BENCH_SECONDS": str(log),
        "LIMA_HOME": str(lima_home),
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    argv = [str(program), "-i", str(folder / "hosts.yml"), str(folder / "play.yml")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    taken: dict[str, list[float]] = defaultdict(list)
    for line in log.read_text().splitlines():
        took, name = line.split("\t")
        taken[name].append(float(took))
    return taken
