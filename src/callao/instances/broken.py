# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of an instance that is broken, wherever something was to be done with it."""

from __future__ import annotations

from callao.config import Config
from callao.errors import InstanceBroken
from callao.instances.store import Instance


def usable(instance: Instance, hint: str = "") -> Config:
    """Its configuration, for what can do nothing without.

    :raises InstanceBroken: when its lima.yaml cannot be understood.
    """
    if instance.config is None:
        raise broken(instance, hint)
    return instance.config


def broken(instance: Instance, hint: str = "") -> InstanceBroken:
    """The error: what is wrong with it, and ``hint``, how to go on."""
    return InstanceBroken(f"instance {instance.name!r} is broken: {'; '.join(instance.errors)}.", hint=hint)
