# SPDX-License-Identifier: GPL-3.0-or-later
"""The error for a broken instance, wherever an operation needs its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callao.errors import InstanceBroken

if TYPE_CHECKING:
    from callao.config import Config
    from callao.instances.store import Instance

REPAIR_HINT = "Repair its lima.yaml, replace it with 'recreate: true', or delete it with 'state: absent'."
"""The hint where the instance was to be changed."""


def require_config(instance: Instance, hint: str = "") -> Config:
    """The configuration of an instance, for operations that need it.

    :raises InstanceBroken: when its lima.yaml cannot be parsed.
    """
    if instance.config is None:
        raise broken_error(instance.name, instance.errors, hint)
    return instance.config


def broken_error(name: str, errors: tuple[str, ...], hint: str = "") -> InstanceBroken:
    """The error, with the problems of the instance and the hint."""
    return InstanceBroken(f"instance {name!r} is broken: {'; '.join(errors)}.", hint=hint)
