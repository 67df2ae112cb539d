# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances: their state on disk, and the plan from the actual state to the desired one."""

from typing import TYPE_CHECKING

from callao.lazy import lazy_attributes

if TYPE_CHECKING:
    from callao.instances.effects import fingerprint
    from callao.instances.machine_layout import MachineLayout
    from callao.instances.paths import InstancePaths, ssh_alias
    from callao.instances.plan import Desired, Plan, Policy, Restart, Step, Target, plan
    from callao.instances.records import Failure, Record, ResumeState, Runtime
    from callao.instances.status import Status, instance_names
    from callao.instances.store import Instance, all_instances, inspect
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
    "ResumeState",
    "Runtime",
    "Status",
    "Step",
    "Target",
    "all_instances",
    "fingerprint",
    "inspect",
    "instance_names",
    "plan",
    "ssh_alias",
    "summary",
]

__getattr__ = lazy_attributes(
    __name__,
    {
        "effects": ("fingerprint",),
        "records": ("Failure", "Record", "Runtime", "ResumeState"),
        "paths": ("InstancePaths", "ssh_alias"),
        "plan": ("Desired", "Plan", "Policy", "Restart", "Step", "Target", "plan"),
        "machine_layout": ("MachineLayout",),
        "status": ("Status", "instance_names"),
        "store": ("Instance", "all_instances", "inspect"),
        "summary": ("summary",),
    },
)
