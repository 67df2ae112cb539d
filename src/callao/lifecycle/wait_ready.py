# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a host agent's events until the box is ready, or known not to become so."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from callao.errors import AgentError, StageFailed
from callao.events import Event, EventState, Reporter, Stage
from callao.hostagent import journal
from callao.hostagent.boot import evidence
from callao.instances import Instance, InstancePaths, Runtime
from callao.instances.process_identity import alive, wait_gone
from callao.instances.records import read_json
from callao.instances.status import paused_message

_INTERVAL = 0.02
"""Seconds between two looks at the journal's end."""

_GRACE = 60.0
"""Seconds that the agent gets beyond the timeout that it keeps itself, to say what failed."""

_MIN_FREE_SPACE = 1 << 20
"""Bytes free below which a disk is full: an agent that cannot write its events ends."""

_EXIT_TIMEOUT = 10.0
"""Seconds that an agent gets to end in, once it has said what failed."""


def wait_for_agent(
    paths: InstancePaths, agent: subprocess.Popen[bytes], timeout: float, report: Reporter
) -> None:
    """Until the agent that we just started is ready.

    :raises StageFailed: when a stage failed.
    :raises AgentError: when the agent ended without a word, or hangs.
    """
    _wait(paths, lambda: agent.poll() is None, timeout, report)


def wait_until_ready(instance: Instance, timeout: float, report: Reporter) -> None:
    """Until an agent that another run started is ready; raises as :func:`wait_for_agent` does."""
    _wait(instance.paths, lambda: alive(instance.agent), timeout, report)


def _wait(paths: InstancePaths, lives: Callable[[], bool], timeout: float, report: Reporter) -> None:
    told = False
    for event in _events(paths.ha_stdout, lives, time.monotonic() + timeout + _GRACE):
        if event is None:
            if not told and paths.disk_full.exists():  # the agent may have no space to say so
                told = True
                report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=paused_message(paths)))
            continue
        told = told or event.message == paused_message(paths)
        if event.state is EventState.FAILED:
            raise _failure(paths, event)
        report(event)
        if event.stage is Stage.READY and event.state is EventState.DONE:
            return
    if lives():
        raise AgentError(
            f"the host agent of {paths.name!r} said nothing more for {timeout + _GRACE:.0f} s.",
            hint="Stop the instance with 'force: true' and start it again.",
        )
    words = evidence.tail(paths.ha_stderr) or evidence.tail(paths.ha_stdout, 3)
    if shutil.disk_usage(paths.dir).free < _MIN_FREE_SPACE:
        words = f"The disk that {paths.dir} is on is full: make room, then start the instance again. {words}"
    raise AgentError(
        f"the host agent of {paths.name!r} ended before the instance was ready.", hint=words.strip()
    )


def _events(path: Path, lives: Callable[[], bool], deadline: float) -> Iterator[Event | None]:
    """Each event as it is written, None while there is none, until the agent has ended."""
    with path.open("rb") as file:
        rest = b""
        while time.monotonic() < deadline:
            living = lives()
            if os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)  # the agent has begun its log anew
            data = file.read()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                said = journal.read(line)
                if said is not None and said.callao is not None:
                    yield said.callao
            if not data:
                if not living:
                    return
                yield None
                time.sleep(_INTERVAL)


def _failure(paths: InstancePaths, event: Event) -> StageFailed:
    runtime = read_json(paths.runtime, Runtime)
    if runtime is not None and not alive(runtime.driver):
        # An agent without a machine ends; until it has, whoever looks takes the instance for a running one.
        wait_gone(runtime.agent, _EXIT_TIMEOUT)
    lines = runtime.failure.evidence if runtime is not None and runtime.failure is not None else ""
    return StageFailed(
        f"instance {paths.name!r}: {event.stage}: {event.message}", stage=event.stage, evidence=lines
    )
