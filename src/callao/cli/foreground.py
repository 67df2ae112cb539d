# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao start --foreground``: stays while an instance runs, for service managers that watch a process."""

from __future__ import annotations

import signal
import time
from types import FrameType

from callao.cli.session import Session, tell, warn
from callao.cli.watched import Watcher, described, event_of
from callao.errors import InstanceNotFound
from callao.instances.index import indexed_instance
from callao.instances.lock import DEFAULT_TIMEOUT
from callao.lifecycle.quick_stop import stop_indexed

_PERIOD = 0.5
"""Seconds between two looks at the instance."""


def stay(run: Session, name: str) -> None:
    """Show what the host agent tells until it ends. SIGTERM and Ctrl-C stop the instance."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    watcher = Watcher(run.home, (name,), history=False, logs=("ha.stdout.log", "ha.stderr.log"))
    try:
        while _runs(run, name):
            for line in watcher.lines():
                event = event_of(line.text) if line.log == "ha.stdout.log" else None
                tell(line.text if event is None else described(event))
            time.sleep(_PERIOD)
    except KeyboardInterrupt:
        stop_indexed(
            name, run.home, force=False, timeout=DEFAULT_TIMEOUT, notice=warn, passed=lambda _stage: None
        )
    tell(f"{name} has stopped.")


def _runs(run: Session, name: str) -> bool:
    try:
        return indexed_instance(name, run.home).agent is not None
    except InstanceNotFound:  # deleted meanwhile
        return False
