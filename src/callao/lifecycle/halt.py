# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the processes of an instance: by a signal to the host agent, and by SIGKILL if it does not end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Protocol

from callao import system
from callao.errors import AgentError
from callao.flock import ignore_holder
from callao.instances.paths import InstancePaths
from callao.instances.processes import ProcessLike, terminate, wait_gone
from callao.instances.stop_policy import StopPolicy
from callao.lifecycle.cleanup import remove_stale_files
from callao.lifecycle.unused_networks import end_unused_networks

_GRACE = 15.0
"""Seconds beyond the time that the stop policy gives the guest."""

_KILL_TIMEOUT = 5.0
"""Seconds for a process to end after SIGKILL."""

_LIMACTL_AGENT = "hostagent"
"""An argument of limactl's host agent; that of ours is ``callao.hostagent``."""

MessageCallback = Callable[[str], None]


class HasProcesses(Protocol):
    """An instance with its processes, from :mod:`callao.instances.store` or from the index."""

    @property
    def name(self) -> str: ...

    @property
    def paths(self) -> InstancePaths: ...

    @property
    def agent(self) -> ProcessLike | None: ...

    @property
    def driver(self) -> ProcessLike | None: ...


def halt(
    found: HasProcesses, *, force: bool, notice: MessageCallback, passed: MessageCallback = ignore_holder
) -> None:
    """Switch the machine off and wait until its processes are gone.

    :param force: power off without a shutdown of the guest; the disks are flushed.
    :param notice: called with each warning.
    :param passed: called with the name of each stage that has ended.
    :raises AgentError: when a process survives even SIGKILL.
    """
    timeout = _GRACE if force else StopPolicy().longest + _GRACE
    _signal(found.name, found.agent, signal.SIGTERM if force else signal.SIGINT)
    if force and found.agent is not None and _LIMACTL_AGENT in system.arguments(found.agent.pid):
        _signal(found.name, found.driver, signal.SIGTERM)  # limactl waits for the guest even after SIGTERM
    if not wait_gone(found.agent, timeout):
        notice(f"{found.name}: the host agent did not end within {timeout:.0f} s: killed.")
        _signal(found.name, found.agent, system.kill_signal())
    passed("host agent ended")
    for process in (found.agent, found.driver):
        if not wait_gone(process, _KILL_TIMEOUT):
            _signal(found.name, process, system.kill_signal())
            _require_exit(found.name, process)
    passed("hypervisor ended")
    remove_stale_files(found.paths)
    end_unused_networks(found.paths.dir.parent, found.name, notice)
    passed("sockets and pid files removed")


def kill(found: HasProcesses) -> None:
    """End the machine at once, because its state is thrown away.

    :raises AgentError: when a process survives SIGKILL.
    """
    for process in (found.driver, found.agent):
        _signal(found.name, process, system.kill_signal())
        _require_exit(found.name, process)
    remove_stale_files(found.paths)


def _signal(name: str, process: ProcessLike | None, sig: signal.Signals) -> None:
    """:raises AgentError: when the process is another user's."""
    try:
        terminate(process, sig)
    except PermissionError:
        pid = process.pid if process is not None else 0
        raise AgentError(
            f"instance {name!r}: process {pid} is another user's, and cannot be ended.",
            hint="Stop the instance as that user, or as root.",
        ) from None


def _require_exit(name: str, process: ProcessLike | None) -> None:
    if not wait_gone(process, _KILL_TIMEOUT):
        pid = process.pid if process is not None else 0
        raise AgentError(
            f"instance {name!r}: process {pid} is still there {_KILL_TIMEOUT:.0f} s after SIGKILL.",
            hint="It hangs in the kernel, for example because a disk does not answer: see its state in ps.",
        )
