# SPDX-License-Identifier: GPL-3.0-or-later
"""Is that process still ours? A pid alone proves nothing: pids are reused."""

from __future__ import annotations

from pathlib import Path

import msgspec

from callao.instances.alive import alive, found, named_by, terminate, wait_gone

__all__ = ["Identity", "alive", "from_pid_file", "identify", "terminate", "wait_gone"]


class Identity(msgspec.Struct, frozen=True):
    """A process, told apart from a later one with the same pid, whatever happens to the host's clock.

    :param started: on the kernel's own clock, see :func:`callao.system.linux.start_ticks`.
    :param boot: the boot of the host that it belongs to.
    """

    pid: int
    started: int
    boot: str = ""


def identify(pid: int) -> Identity:
    """The identity of a living process.

    :raises ProcessLookupError: when there is none.
    """
    return Identity(*found(pid))


def from_pid_file(path: Path) -> Identity | None:
    """Whom a pid file names, see :func:`callao.instances.alive.named_by`."""
    process = named_by(path)
    return None if process is None else Identity(*process)
