# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping: the host agent is asked, and only when it does not listen, made to."""

from __future__ import annotations

import shutil
import signal

from callao.drivers import StopPolicy
from callao.errors import AgentError
from callao.events import Event, Reporter, Stage, State
from callao.instances import Instance, InstancePaths
from callao.instances.inuse import must_be_unused
from callao.instances.process import terminate, wait_gone

_GRACE = 15.0
"""Seconds beyond what the stop policy allows the guest."""


def stop(instance: Instance, *, force: bool, report: Reporter) -> None:
    """Switch the machine off and wait until its processes are gone.

    :param force: don't wait for the guest to shut down; its disks are flushed, its programs aren't told.
    :raises AgentError: when a process survives even SIGKILL.
    """
    policy = StopPolicy()
    patience = _GRACE if force else policy.acpi + 2 * policy.ssh + policy.quit + _GRACE
    report(Event(stage=Stage.STOP, state=State.BEGUN))
    terminate(instance.agent, signal.SIGTERM if force else signal.SIGINT)
    if not wait_gone(instance.agent, patience):
        report(
            Event(
                stage=Stage.STOP,
                state=State.NOTICE,
                message=f"{instance.name}: the host agent did not end within {patience:.0f} s: killed.",
            )
        )
        terminate(instance.agent, signal.SIGKILL)
    for identity in (instance.agent, instance.driver):
        if not wait_gone(identity, 5.0):
            terminate(identity, signal.SIGKILL)
            if not wait_gone(identity, 5.0):
                raise AgentError(f"instance {instance.name!r}: process {identity} cannot be ended.")
    clear_stale(instance.paths)
    report(Event(stage=Stage.STOP, state=State.DONE))


def cut_off(instance: Instance) -> None:
    """End the machine at once, for one whose state is thrown away.

    :raises AgentError: when a process survives even that.
    """
    for identity in (instance.driver, instance.agent):
        terminate(identity, signal.SIGKILL)
        if not wait_gone(identity, 5.0):
            raise AgentError(f"instance {instance.name!r}: process {identity} cannot be ended.")
    clear_stale(instance.paths)


def clear_stale(paths: InstancePaths) -> None:
    """Remove what processes that are gone have left: sockets, pid files, files half written.

    :raises InstanceError: when a process that no pid file names is not gone.
    """
    must_be_unused(paths, "started or changed")
    for path in (paths.ha_pid, *paths.of_processes):
        path.unlink(missing_ok=True)
    for path in paths.dir.glob(".*"):
        path.unlink() if path.is_file() else shutil.rmtree(path)
