# SPDX-License-Identifier: GPL-3.0-or-later
"""Is that process still ours? A pid alone proves nothing: pids are reused."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import msgspec

_CLOCK_SLACK = 2.0
"""Seconds by which a start time read twice may differ: the kernel counts it in ticks since boot."""


class Identity(msgspec.Struct, frozen=True):
    """A process, told apart from a later one with the same pid.

    :param started: seconds since the epoch, as the kernel has it.
    """

    pid: int
    started: float


def identify(pid: int) -> Identity:
    """The identity of a living process.

    :raises ProcessLookupError: when there is none.
    """
    started = _start_time(pid)
    if started is None:
        raise ProcessLookupError(f"no process {pid}")
    return Identity(pid=pid, started=started)


def alive(identity: Identity | None) -> bool:
    """Whether exactly this process lives; a zombie does not."""
    if identity is None:
        return False
    started = _start_time(identity.pid)
    return started is not None and abs(started - identity.started) < _CLOCK_SLACK


def from_pid_file(path: Path) -> Identity | None:
    """Whom a pid file names, if that process can have written it: it is no younger than the file."""
    try:
        pid = int(path.read_text().strip())
        written = path.stat().st_mtime
    except (OSError, ValueError):
        return None
    started = _start_time(pid)
    if started is None or started > written + _CLOCK_SLACK:
        return None
    return Identity(pid=pid, started=started)


def terminate(identity: Identity | None, sig: signal.Signals) -> None:
    """Signal exactly this process; nothing happens when it is gone."""
    if identity is not None and alive(identity):
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.pid, sig)


def wait_gone(identity: Identity | None, seconds: float) -> bool:
    """Wait until the process is gone; False when it outlived ``seconds``."""
    deadline = time.monotonic() + seconds
    while alive(identity):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _start_time(pid: int) -> float | None:
    import psutil

    if pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.create_time()
    except psutil.Error:
        return None
