# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes an instance: stops its machine and removes its folder."""

from __future__ import annotations

from callao.events import Event, EventState, Reporter, Stage
from callao.instances import Instance
from callao.lifecycle.remove import remove
from callao.lifecycle.stop import stop
from callao.lifecycle.unused_networks import end_unused_networks


def delete(instance: Instance, report: Reporter) -> None:
    """Stop the machine without shutting down the guest, because its disk goes, too, and remove the folder.

    :raises InstanceError: when the folder cannot be removed, or a process that no pid file names uses it.
    """

    def notice(message: str) -> None:
        report(Event(stage=Stage.STOP, state=EventState.NOTICE, message=message))

    if instance.agent or instance.driver:
        stop(instance, force=True, report=report)
    else:
        end_unused_networks(instance.paths.dir.parent, instance.name, notice)
    remove(instance.paths)
