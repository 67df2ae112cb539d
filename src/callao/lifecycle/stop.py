# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops an instance, and reports events."""

from __future__ import annotations

from callao.events import Event, EventState, Reporter, Stage
from callao.instances import Instance
from callao.lifecycle.halt import halt


def stop(instance: Instance, *, force: bool, report: Reporter) -> None:
    """Switch the machine off and wait until its processes are gone.

    :param force: power off without a shutdown of the guest; the disks are flushed.
    :raises AgentError: when a process survives even SIGKILL.
    """

    def tell(state: EventState, message: str = "") -> None:
        report(Event(stage=Stage.STOP, state=state, message=message))

    tell(EventState.BEGUN)
    halt(instance, force=force, notice=lambda message: tell(EventState.NOTICE, message))
    tell(EventState.DONE)
