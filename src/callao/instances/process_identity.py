# SPDX-License-Identifier: GPL-3.0-or-later
"""Is that process still ours? A pid alone proves nothing: pids are reused."""

from __future__ import annotations

from pathlib import Path

import msgspec

from callao.instances.processes import alive, process_from_pid_file, process_of, terminate, wait_gone

__all__ = ["ProcessIdentity", "alive", "from_pid_file", "identify", "terminate", "wait_gone"]


class ProcessIdentity(msgspec.Struct, frozen=True):
    """A process, told apart from a later one with the same pid, whatever happens to the host's clock.

    :param started: on the kernel's own clock, see :func:`callao.system.linux.start_ticks`.
    :param boot: the boot of the host that it belongs to.
    """

    pid: int
    started: int
    boot: str = ""


def identify(pid: int) -> ProcessIdentity:
    """The identity of a living process.

    :raises ProcessLookupError: when there is none.
    """
    return ProcessIdentity(*process_of(pid))


def from_pid_file(path: Path) -> ProcessIdentity | None:
    """Whom a pid file names, see :func:`callao.instances.processes.process_from_pid_file`."""
    process = process_from_pid_file(path)
    return None if process is None else ProcessIdentity(*process)
