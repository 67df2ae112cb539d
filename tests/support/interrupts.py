# SPDX-License-Identifier: GPL-3.0-or-later
"""An interrupted run ends like any other: what its tests have started is removed first.

xdist's own way is to send a worker SIGINT after five seconds, and to kill it five seconds later; that is too
short to stop a machine in.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import FrameType

import psutil

_PATIENCE = 120.0
"""Seconds for the workers to clean up in."""


def interrupt_once() -> None:
    """The first SIGINT ends the test; a second one would only cut the cleaning up short."""

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupted)


def worker_begins(folder: Path) -> None:
    (folder / f"worker-{os.getpid()}").touch()


def worker_ends(folder: Path) -> None:
    (folder / f"worker-{os.getpid()}").unlink(missing_ok=True)


def end_workers(folder: Path) -> None:
    """In the process that has them: interrupt the workers, and wait until they have cleaned up."""
    pids = [int(path.name.removeprefix("worker-")) for path in folder.glob("worker-*")]
    for pid in pids:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if not any((folder / f"worker-{pid}").exists() and psutil.pid_exists(pid) for pid in pids):
            return
        time.sleep(0.05)
