# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports the state of a run of the host agent: events in its journal, and runtime.json."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field

import msgspec

from callao.atomic import write_volatile
from callao.errors import CallaoError
from callao.events import Event, EventState, Stage
from callao.hostagent import journal
from callao.instances import Failure, InstancePaths, Runtime
from callao.instances.process_identity import identify
from callao.instances.records import json_text
from callao.ports import Binding

_GATHER_SECONDS = 0.25
"""Seconds in which changes of the forwards are gathered before runtime.json is written."""


@dataclass
class RunStatus:
    """The status of one run."""

    paths: InstancePaths
    began: float = field(default_factory=time.monotonic)
    runtime: Runtime = field(default_factory=lambda: Runtime(agent=identify(os.getpid())))
    pending_write: asyncio.TimerHandle | None = None
    """Set until runtime.json is written with the current forwards."""

    def update(self, **values: object) -> None:
        """Change fields of runtime.json, and write it."""
        self.runtime = msgspec.structs.replace(self.runtime, **values)
        write_volatile(self.paths.runtime, json_text(self.runtime), mode=0o600)

    def update_forwards(self, forwards: tuple[Binding, ...]) -> None:
        """Change the forwards in runtime.json. It is written after a delay, because a guest may change them
        often.
        """
        self.runtime = msgspec.structs.replace(self.runtime, forwards=forwards)
        if self.pending_write is None:
            self.pending_write = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._write)

    def flush(self) -> None:
        """Write a delayed change now."""
        if self.pending_write is not None:
            self.pending_write.cancel()
            self._write()

    def _write(self) -> None:
        """Write runtime.json. On a full disk it keeps the older forwards until the next change."""
        self.pending_write = None
        with contextlib.suppress(OSError):
            self.update()

    def passed(self, stage: Stage, message: str = "") -> None:
        seconds = round(time.monotonic() - self.began, 3)
        self.update(timings={**self.runtime.timings, stage.value: seconds})
        self.report(Event(stage=stage, state=EventState.DONE, seconds=seconds, message=message))

    def notice(self, message: str) -> None:
        self.report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))

    def progress(self, stage: Stage, message: str) -> None:
        self.report(Event(stage=stage, state=EventState.PROGRESS, message=message))

    def failed(self, stage: Stage, error: CallaoError, hint: str) -> None:
        """:raises OSError: when it cannot be written, for example on a full disk."""
        lines = getattr(error, "evidence", "")
        message = f"{error.message} {hint}".strip()
        with contextlib.suppress(OSError):
            self.update(failure=Failure(stage=stage.value, message=message, evidence=lines))
        self.report(Event(stage=stage, state=EventState.FAILED, message=message))
        journal.write(degraded=True, errors=[message])

    def report(self, event: Event) -> None:
        journal.write(event.timed(round(time.monotonic() - self.began, 3)))
