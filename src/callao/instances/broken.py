# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of an instance that is broken, wherever something was to be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callao.errors import InstanceBroken

if TYPE_CHECKING:
    from callao.config import Config
    from callao.instances.store import Instance

REPAIR_HINT = "Mend its lima.yaml, replace it with 'recreate: true', or delete it with 'state: absent'."
"""How to go on, where it is to be changed."""


def require_config(instance: Instance, hint: str = "") -> Config:
    """Its configuration, for what can do nothing without.

    :raises InstanceBroken: when its lima.yaml cannot be parsed.
    """
    if instance.config is None:
        raise broken_error(instance.name, instance.errors, hint)
    return instance.config


def broken_error(name: str, errors: tuple[str, ...], hint: str = "") -> InstanceBroken:
    """The error: what is wrong with it, and ``hint``, how to go on."""
    return InstanceBroken(f"instance {name!r} is broken: {'; '.join(errors)}.", hint=hint)
