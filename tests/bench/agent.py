# SPDX-License-Identifier: GPL-3.0-or-later
"""The host agent of an idle guest: memory (PSS) and CPU.

python tests/bench/agent.py [SECONDS]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from bench.figures import say, show
from support.home import build_golden, temporary_home


def main(window: float) -> None:
    with temporary_home(build_golden()) as home:
        home.ensure("idle", timeout=300)
        agent = psutil.Process(int((home.path / "idle" / "ha.pid").read_text()))
        time.sleep(5)
        before = agent.cpu_times()
        say(f"watching an idle agent for {window:.0f} s")
        time.sleep(window)
        after = agent.cpu_times()
        used = (after.user + after.system) - (before.user + before.system)
        pss = agent.memory_full_info().pss / 2**20
    show("host agent, idle: PSS", f"{pss:.1f} MiB", "<= 40 MB", pss * 2**20 <= 40e6)
    show("host agent, idle: CPU", f"{100 * used / window:.3f} %", "< 0.1 %", used / window < 0.001)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
