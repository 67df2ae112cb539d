# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what host agents write to their logs, as they write it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from callao.instances import InstancePaths, instance_names

_LONGEST = 1 << 20
"""Bytes of a line; longer ones are cut into parts."""


class LogLine(NamedTuple):
    """A whole line of an instance's log, without its end."""

    instance: str
    log: str
    text: str


class Watcher:
    """The logs of instances, from now on or from their beginnings.

    :param chosen: the instances; empty for all, and those that are made later.
    :param history: whether to begin with what the logs hold already.
    :param logs: the names of the files.
    """

    def __init__(self, home: Path, chosen: tuple[str, ...], *, history: bool, logs: tuple[str, ...]) -> None:
        self._home = home
        self._chosen = chosen
        self._logs = logs
        self._places: dict[Path, tuple[int, int]] = {}
        self.instances = self._known()
        if not history:
            for path in self._paths(self.instances):
                self._places[path] = _end(path)

    def new_instances(self) -> list[str]:
        """Instances that have appeared since the last call."""
        found = [name for name in self._known() if name not in self.instances]
        self.instances = [*self.instances, *found]
        return found

    def lines(self) -> Iterator[LogLine]:
        """What was written since the last call."""
        for path in self._paths(self.instances):
            for text in self._written(path):
                yield LogLine(path.parent.name, path.name, text)

    def _known(self) -> list[str]:
        if self._chosen:
            return list(self._chosen)
        return [
            name
            for name in instance_names(self._home)
            if InstancePaths(self._home / name).lima_yaml.exists()
        ]

    def _paths(self, instances: list[str]) -> list[Path]:
        return [self._home / name / log for name in instances for log in self._logs]

    def _written(self, path: Path) -> list[str]:
        inode, place = self._places.get(path, (0, 0))
        try:
            with path.open("rb") as file:
                now = os.fstat(file.fileno())
                if now.st_ino != inode or now.st_size < place:  # a start has begun the log anew
                    place = 0
                file.seek(place)
                data = file.read(_LONGEST)
        except OSError:
            return []
        end = data.rfind(b"\n") + 1
        if not end and len(data) == _LONGEST:
            end = len(data)
        self._places[path] = (now.st_ino, place + end)
        return [line.decode("utf-8", "replace") for line in data[:end].splitlines()]


def _end(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_size)


def event_of(text: str) -> dict[str, Any] | None:
    """The event that a line of ha.stdout.log holds."""
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def described(event: dict[str, Any]) -> str:
    """An event in limactl's words where it is one of Lima's, else in those of the stage that it is of."""
    status, stage = event.get("status"), event.get("callao")
    if isinstance(stage, dict):
        words = f"{stage.get('stage')}: {stage.get('message') or stage.get('state')}"
        seconds = stage.get("seconds")
        timed = stage.get("state") == "done" and isinstance(seconds, int | float)
        return f"{words} ({seconds:.1f} s)" if timed else words
    if not isinstance(status, dict):
        return json.dumps(event)
    if status.get("errors"):
        return f"error: {'; '.join(map(str, status['errors']))}"
    if status.get("exiting"):
        return "exiting"
    if status.get("running"):
        return "running (degraded)" if status.get("degraded") else "running"
    if status.get("sshLocalPort"):
        return f"ssh available on port {status['sshLocalPort']}"
    return json.dumps(status)
