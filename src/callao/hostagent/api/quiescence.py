# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until a machine is idle before it is saved: whatever it still had to do, each copy would do again.

A guest is ready before it is idle: the last services of its boot are coming up, and our own program is;
and each login and each umount has systemd and others look around for half a second.
"""

from __future__ import annotations

import contextlib
import time

import psutil

from callao.instances.process_identity import ProcessIdentity, alive

_LOOK = 1.0
"""Seconds that the machine is watched for."""

_IDLE = 0.1
"""Share of one CPU that a machine may take, and be at rest. An emulated one that idles takes 0.02."""

_PATIENCE = 30.0
"""Seconds after which a machine that does not rest is taken as it is."""


def come_to_rest(hypervisor: ProcessIdentity) -> None:
    """Wait until the process takes next to no CPU; one that has gone is not waited for."""
    deadline = time.monotonic() + _PATIENCE
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(hypervisor.pid)
        while alive(hypervisor) and time.monotonic() < deadline:
            if process.cpu_percent(_LOOK) < 100 * _IDLE:
                return
