# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``callao top`` shows of each instance: its status, the stage of its start, and what it uses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from callao.cli.watched import described, event_of
from callao.config.sizes import format_size
from callao.file_end import read_end
from callao.instances import Runtime
from callao.instances.index import IndexedInstance, indexed_instances
from callao.instances.records import read_json
from callao.instances.status import Status

HEADINGS = ("NAME", "STATUS", "STAGE", "CPU", "MEMORY", "PORTS", "LAST EVENT")

_LOG_END = 32 << 10
"""Bytes at the end of a host agent's log in which its last event is searched."""

_MAX_PORTS = 3
"""Largest number of forwards that are shown."""

_MAX_EVENT = 200
"""Largest number of characters of an event."""

_ACTIVE = (Status.RUNNING, Status.PAUSED)


class Usage(NamedTuple):
    """One instance, as texts in the order of :data:`HEADINGS`; ``-`` for what it has not."""

    name: str
    status: str
    stage: str = "-"
    cpu: str = "-"
    memory: str = "-"
    ports: str = "-"
    event: str = "-"


class Monitor:
    """The instances of a home, or those that ``chosen`` names.

    CPU use is measured between two calls of :meth:`usages`; the first has none.
    """

    def __init__(self, home: Path, chosen: Sequence[str] = ()) -> None:
        self._home = home
        self._chosen = frozenset(chosen)
        self._processes: dict[int, psutil.Process] = {}

    def usages(self) -> list[Usage]:
        """Every instance now, sorted by name."""
        found = [
            each for each in indexed_instances(self._home) if not self._chosen or each.name in self._chosen
        ]
        active = {each.driver.pid for each in found if each.driver is not None}
        self._processes = {pid: process for pid, process in self._processes.items() if pid in active}
        return [self._usage(each) for each in found]

    def _usage(self, instance: IndexedInstance) -> Usage:
        if instance.status not in _ACTIVE:
            return Usage(instance.name, instance.status.value)
        event = _last_event(instance)
        runtime = read_json(instance.paths.runtime, Runtime)
        cpu, memory = self._of_hypervisor(instance)
        return Usage(
            instance.name,
            instance.status.value,
            _stage(runtime),
            cpu,
            memory,
            _ports(runtime),
            " ".join(described(event)[:_MAX_EVENT].split()) if event is not None else "-",
        )

    def _of_hypervisor(self, instance: IndexedInstance) -> tuple[str, str]:
        """CPU, where one whole core is 100 %, and memory of how much the machine has."""
        if instance.driver is None:
            return "-", "-"
        pid = instance.driver.pid
        try:
            known = pid in self._processes
            process = self._processes.setdefault(pid, psutil.Process(pid))
            percent, used = process.cpu_percent(None), process.memory_info().rss
        except psutil.Error:  # it has ended, or belongs to another user
            return "-", "-"
        memory = f"{format_size(used >> 20 << 20)} of {format_size(instance.config.memory)}"
        return f"{percent:.0f} %" if known else "-", memory


def _stage(runtime: Runtime | None) -> str:
    """The last stage of the start that has ended, and the seconds since it began."""
    if runtime is None:
        return "-"
    if runtime.failure is not None:
        return f"{runtime.failure.stage} failed"
    if not runtime.timings:
        return "starting"
    stage, seconds = max(runtime.timings.items(), key=lambda each: each[1])
    return f"{'' if runtime.ready else 'after '}{stage} ({seconds:.0f} s)"


def _ports(runtime: Runtime | None) -> str:
    forwards = runtime.forwards if runtime is not None else ()
    shown = [f"{host}->{guest}{'' if proto == 'tcp' else f'/{proto}'}" for proto, _, host, guest in forwards]
    more = f" +{len(shown) - _MAX_PORTS}" if len(shown) > _MAX_PORTS else ""
    return ", ".join(shown[:_MAX_PORTS]) + more or "-"


def _last_event(instance: IndexedInstance) -> dict[str, object] | None:
    for line in reversed(read_end(instance.paths.ha_stdout, _LOG_END).splitlines()):
        if (event := event_of(line.decode("utf-8", "replace"))) is not None:
            return event
    return None


def measured_once(monitor: Monitor, seconds: float) -> list[Usage]:
    """The instances with their CPU use over ``seconds``."""
    monitor.usages()
    time.sleep(seconds)
    return monitor.usages()
