# SPDX-License-Identifier: GPL-3.0-or-later
"""Following an agent whose start fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callao.errors import StageFailed
from callao.events import silent
from callao.instances import InstancePaths, Runtime
from callao.instances.process_identity import identify
from callao.instances.records import write_json
from callao.lifecycle.wait_ready import wait_for_agent

AGENT = """
import sys, time
from callao.events import Event, Stage, EventState
from callao.hostagent import journal
journal.write(Event(stage=Stage.DRIVER, state=EventState.FAILED, message="refused"))
time.sleep(float(sys.argv[1]))
"""

Agent = Callable[[float], "subprocess.Popen[bytes]"]


@pytest.fixture
def paths(tmp_path: Path) -> InstancePaths:
    return InstancePaths(tmp_path)


@pytest.fixture
def agent(paths: InstancePaths) -> Iterator[Agent]:
    """One that says that its start failed, and lives on for so many seconds."""
    running: list[subprocess.Popen[bytes]] = []

    def run(seconds: float) -> subprocess.Popen[bytes]:
        with paths.ha_stdout.open("wb") as stdout:
            running.append(subprocess.Popen([sys.executable, "-c", AGENT, str(seconds)], stdout=stdout))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()


def test_an_agent_without_a_machine_has_ended_when_its_failure_is_told(
    paths: InstancePaths, agent: Agent
) -> None:
    process = agent(1)
    write_json(paths.runtime, Runtime(agent=identify(process.pid)))
    with pytest.raises(StageFailed, match="refused"):
        wait_for_agent(paths, process, 60, silent)
    assert process.poll() == 0


def test_an_agent_whose_machine_runs_is_left_to_it(paths: InstancePaths, agent: Agent) -> None:
    process, this = agent(60), identify(os.getpid())
    write_json(paths.runtime, Runtime(agent=identify(process.pid), driver=this))
    with pytest.raises(StageFailed, match="refused"):
        wait_for_agent(paths, process, 60, silent)
    assert process.poll() is None


BEGINS_ANEW = """
import os, sys, time
from callao.events import Event, Stage, EventState
from callao.hostagent import journal
for each in range(100):
    journal.write(Event(stage=Stage.DRIVER, state=EventState.DONE))
time.sleep(1)
os.truncate(sys.argv[1], 0)
journal.write(Event(stage=Stage.READY, state=EventState.DONE))
time.sleep(60)
"""


def test_a_log_that_begins_anew_is_followed_on(paths: InstancePaths) -> None:
    with paths.ha_stdout.open("ab") as stdout:
        argv = [sys.executable, "-c", BEGINS_ANEW, str(paths.ha_stdout)]
        with subprocess.Popen(argv, stdout=stdout) as process:
            stages: list[str] = []
            wait_for_agent(paths, process, 30, lambda event: stages.append(event.stage))
            process.kill()
    assert stages[-1] == "ready"
