# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until a machine is idle before it is saved, because each copy would repeat the work that is pending.

A guest is ready before it is idle: the last services of its boot are still starting, the guest program too,
and systemd and others are busy for half a second after each login and each umount.
"""

from __future__ import annotations

import contextlib
import time

import psutil

from callao.instances.process_identity import ProcessIdentity, alive

_SAMPLE_SECONDS = 1.0
"""Seconds over which the CPU use is measured."""

_IDLE_SHARE = 0.1
"""Share of one CPU below which a machine is idle. An emulated one uses 0.02 when idle."""

_TIMEOUT = 30.0
"""Seconds after which a machine that does not become idle is saved as it is."""


def wait_until_idle(hypervisor: ProcessIdentity) -> None:
    """Wait until the process uses nearly no CPU; returns at once if it has ended."""
    deadline = time.monotonic() + _TIMEOUT
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(hypervisor.pid)
        while alive(hypervisor) and time.monotonic() < deadline:
            if process.cpu_percent(_SAMPLE_SECONDS) < 100 * _IDLE_SHARE:
                return
