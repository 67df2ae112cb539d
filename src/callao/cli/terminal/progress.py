# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows progress events: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from callao.cli.terminal.messages import Level
from callao.cli.terminal.output import tell, warn
from callao.events import Event, EventState, Reporter, Stage

_EVERY = 5.0
"""Seconds between two plain lines of one stage's progress."""

_WORDS = {
    "image": "disk image",
    "disk": "disk and configuration",
    "driver": "hypervisor",
    "sshd": "sshd in the guest",
    "cloud-init": "cloud-init",
    "first-boot": "first boot",
    "provision": "provisioning",
    "mounts": "shared directories",
    "probes": "readiness probes",
    "copies": "files for the host",
    "ready": "ready",
    "identity": "an identity of its own",
    "snapshot": "snapshot",
    "stop": "stopping",
}


def reporter(tty: bool, at_end: Callable[[Callable[[], None]], object] | None = None) -> Reporter:
    """The fitting one; ``TERM=dumb`` counts.

    :param at_end: takes what takes off the screen again what is on it, to be called when the command ends.
    """
    if tty and os.environ.get("TERM") != "dumb":
        live = _Live()
        if at_end is not None:
            at_end(live.close)
        return live
    return _Plain()


@dataclass
class _Plain:
    """One line for each thing that ended, and now and then one for what takes its time."""

    told: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if event.state is EventState.PROGRESS:
            if now - self.told.setdefault(event.stage, now - _EVERY + 1) < _EVERY:
                return
            self.told[event.stage] = now
        _tell(event)


@dataclass
class _Live:
    """A spinner with the stage's latest words, or a bar where the share that is done is known."""

    display: Any = None
    """rich's Progress: imported when there is something to show."""

    def __call__(self, event: Event) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        if event.state is EventState.PROGRESS or event.state is EventState.BEGUN:
            if self.display is None:
                self.display = Progress(
                    SpinnerColumn(),
                    TextColumn("{task.description}", markup=False),
                    BarColumn(bar_width=24),
                    TimeElapsedColumn(),
                    console=Console(file=sys.stderr),
                    transient=True,
                )
                self.display.add_task("", total=None)
                self.display.start()
            words = f"{_WORDS.get(event.stage, event.stage)}: {event.message}"[:100]
            task = self.display.task_ids[0]
            total = None if event.fraction is None else 1.0
            self.display.update(task, description=words, total=total, completed=event.fraction or 0)
            return
        self.close()
        _tell(event)

    def close(self) -> None:
        if self.display is not None:
            self.display.stop()
            self.display = None


def _tell(event: Event) -> None:
    """One line; none for what has only begun."""
    stage = _WORDS.get(event.stage, event.stage)
    seconds = f" ({event.seconds:.1f} s)" if event.seconds is not None else ""
    match event.state:
        case EventState.DONE:
            # That of READY is the template's message as it is written; a start shows it expanded at its end.
            text = event.message if event.stage is not Stage.READY else ""
            tell(stage + seconds + (text and f": {text}"), mark="✓ ", fg="green")
        case EventState.FAILED:
            tell(f"{stage}: {event.message}", level=Level.ERROR, mark="✗ ", fg="red")
        case EventState.NOTICE:
            warn(event.message)
        case EventState.PROGRESS:
            tell(f"  {stage}: {event.message}")
