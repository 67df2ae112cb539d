# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance that ssh can be pointed at."""

from __future__ import annotations

from callao.errors import InstanceError
from callao.instances import Instance, Status, ssh_alias
from callao.ssh import Client


def reachable(instance: Instance) -> Client:
    """ssh to a running instance, ours or Lima's.

    :raises InstanceError: when it doesn't run.
    """
    if instance.status is not Status.RUNNING or not instance.paths.ssh_config.exists():
        raise InstanceError(
            f"instance {instance.name!r} is not running (it is {instance.status}).",
            hint=f"Start it: callao start {instance.name}",
        )
    return Client(
        config=instance.paths.ssh_config, alias=ssh_alias(instance.name), socket=instance.paths.ssh_sock
    )
