# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances: what is on disk, and the plan from there to what is wanted."""

from typing import TYPE_CHECKING

from callao.lazy import lazy_attributes

if TYPE_CHECKING:
    from callao.instances.effects import fingerprint
    from callao.instances.files import Failure, Record, Runtime, TakeUp
    from callao.instances.machine_layout import MachineLayout
    from callao.instances.paths import InstancePaths, ssh_alias
    from callao.instances.plan import Desired, Plan, Policy, Restart, Step, Target, plan
    from callao.instances.present import Status, names
    from callao.instances.store import Instance, every, inspect
    from callao.instances.summary import summary

__all__ = [
    "Desired",
    "Failure",
    "Instance",
    "InstancePaths",
    "MachineLayout",
    "Plan",
    "Policy",
    "Record",
    "Restart",
    "Runtime",
    "Status",
    "Step",
    "TakeUp",
    "Target",
    "every",
    "fingerprint",
    "inspect",
    "names",
    "plan",
    "ssh_alias",
    "summary",
]

__getattr__ = lazy_attributes(
    __name__,
    {
        "effects": ("fingerprint",),
        "files": ("Failure", "Record", "Runtime", "TakeUp"),
        "paths": ("InstancePaths", "ssh_alias"),
        "plan": ("Desired", "Plan", "Policy", "Restart", "Step", "Target", "plan"),
        "machine_layout": ("MachineLayout",),
        "present": ("Status", "names"),
        "store": ("Instance", "every", "inspect"),
        "summary": ("summary",),
    },
)
