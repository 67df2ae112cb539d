# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity of a process as a record, because pids are reused."""

from __future__ import annotations

from pathlib import Path

import msgspec

from callao.instances.processes import alive, process_from_pid_file, process_of, terminate, wait_gone

__all__ = ["ProcessIdentity", "alive", "from_pid_file", "identify", "terminate", "wait_gone"]


class ProcessIdentity(msgspec.Struct, frozen=True):
    """A process, distinguished from a later one with the same pid, also after a step of the host's clock.

    :param started: on the kernel's own clock, see :func:`callao.system.linux.start_ticks`.
    :param boot: id of the host's boot in which it was started.
    """

    pid: int
    started: int
    boot: str = ""


def identify(pid: int) -> ProcessIdentity:
    """The identity of a running process.

    :raises ProcessLookupError: when there is none.
    """
    return ProcessIdentity(*process_of(pid))


def from_pid_file(path: Path) -> ProcessIdentity | None:
    """The process that a pid file names, see :func:`callao.instances.processes.process_from_pid_file`."""
    process = process_from_pid_file(path)
    return None if process is None else ProcessIdentity(*process)
