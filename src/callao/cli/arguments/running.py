# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that ssh can reach an instance."""

from __future__ import annotations

from typing import Protocol

from callao.errors import InstanceError
from callao.instances.paths import InstancePaths, ssh_alias
from callao.instances.status import Status, must_not_be_paused
from callao.ssh.target import Target


class InstanceLike(Protocol):
    """An instance, read whole or from the index."""

    @property
    def name(self) -> str: ...

    @property
    def paths(self) -> InstancePaths: ...

    @property
    def status(self) -> Status: ...


def ssh_to_running(instance: InstanceLike) -> Target:
    """An ssh client for a running instance, whether Callao or Lima started it.

    :raises InstanceError: when it does not run, or is paused.
    """
    must_not_be_paused(instance.status, instance.paths)
    if instance.status is not Status.RUNNING or not instance.paths.ssh_config.exists():
        raise InstanceError(
            f"instance {instance.name!r} is not running (it is {instance.status}).",
            hint=f"Start it: callao start {instance.name}",
        )
    return Target(config=instance.paths.ssh_config, alias=ssh_alias(instance.name))
