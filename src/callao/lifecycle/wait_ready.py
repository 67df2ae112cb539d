# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until an instance is ready, or failed, by its host agent's events."""

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
from callao.hostagent.boot import log_tails
from callao.instances import Instance, InstancePaths, Runtime
from callao.instances.process_identity import alive, wait_gone
from callao.instances.records import read_json
from callao.instances.status import paused_message

_INTERVAL = 0.02
"""Seconds between two reads of the event log."""

_GRACE = 60.0
"""Seconds beyond the timeout that the agent itself observes, for it to report what failed."""

_MIN_FREE_SPACE = 1 << 20
"""Free bytes below which the error names a full disk: an agent that cannot write its events ends."""

_EXIT_TIMEOUT = 10.0
"""Seconds for an agent to exit after it has reported a failure."""


def wait_for_agent(
    paths: InstancePaths, agent: subprocess.Popen[bytes], timeout: float, report: Reporter
) -> None:
    """Wait until the agent that this process started is ready.

    :raises StageFailed: when a stage failed.
    :raises AgentError: when the agent ended without an event, or hangs.
    """
    _wait(paths, lambda: agent.poll() is None, timeout, report)


def wait_until_ready(instance: Instance, timeout: float, report: Reporter) -> None:
    """Wait until an agent that another run started is ready; raises as :func:`wait_for_agent` does."""
    _wait(instance.paths, lambda: alive(instance.agent), timeout, report)


def _wait(paths: InstancePaths, is_alive: Callable[[], bool], timeout: float, report: Reporter) -> None:
    pause_reported = False
    for event in _events(paths.ha_stdout, is_alive, time.monotonic() + timeout + _GRACE):
        if event is None:
            if (
                not pause_reported and paths.disk_full.exists()
            ):  # the agent may have no space left to write the event
                pause_reported = True
                report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=paused_message(paths)))
            continue
        pause_reported = pause_reported or event.message == paused_message(paths)
        if event.state is EventState.FAILED:
            raise _failure(paths, event)
        report(event)
        if event.stage is Stage.READY and event.state is EventState.DONE:
            return
    if is_alive():
        raise AgentError(
            f"the host agent of {paths.name!r} said nothing more for {timeout + _GRACE:.0f} s.",
            hint="Stop the instance with 'force: true' and start it again.",
        )
    log_lines = log_tails.tail(paths.ha_stderr) or log_tails.tail(paths.ha_stdout, 3)
    if shutil.disk_usage(paths.dir).free < _MIN_FREE_SPACE:
        log_lines = (
            f"The disk that {paths.dir} is on is full: free some space, then start again. {log_lines}"
        )
    raise AgentError(
        f"the host agent of {paths.name!r} ended before the instance was ready.", hint=log_lines.strip()
    )


def _events(path: Path, is_alive: Callable[[], bool], deadline: float) -> Iterator[Event | None]:
    """Yield each event as it is written, and None while there is none, until the agent has ended."""
    with path.open("rb") as file:
        rest = b""
        while time.monotonic() < deadline:
            living = is_alive()
            if os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)  # the agent has truncated its log
            data = file.read()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                entry = journal.read(line)
                if entry is not None and entry.callao is not None:
                    yield entry.callao
            if not data:
                if not living:
                    return
                yield None
                time.sleep(_INTERVAL)


def _failure(paths: InstancePaths, event: Event) -> StageFailed:
    runtime = read_json(paths.runtime, Runtime)
    if runtime is not None and not alive(runtime.driver):
        # An agent without a machine exits. Until it has, the instance counts as running.
        wait_gone(runtime.agent, _EXIT_TIMEOUT)
    lines = runtime.failure.evidence if runtime is not None and runtime.failure is not None else ""
    return StageFailed(
        f"instance {paths.name!r}: {event.stage}: {event.message}", stage=event.stage, evidence=lines
    )
