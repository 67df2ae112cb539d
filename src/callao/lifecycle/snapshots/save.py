# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves a running machine, and tells which machines can resume from the saved state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from callao.config import Config
from callao.disks.guest import serial
from callao.drivers import Boot, DataDisk, Driver, RestoringDriver
from callao.instances import InstancePaths
from callao.snapshots import RequiredMachine, command_line_differences

if TYPE_CHECKING:
    from callao.hostagent.api.save_api import SaveAnswer

_TIMEOUT = 600.0
"""Seconds for the host agent to save a machine; a slow disk takes ten for a gigabyte."""


def save(paths: InstancePaths, folder: Path, *, keep_running: bool) -> SaveAnswer:
    """Have the host agent write memory and devices into ``folder``.

    :param keep_running: whether the machine continues to run.
    :raises AgentError: when it cannot be saved.
    """
    # Imported here, because a machine that resumes does not need the host agent's modules.
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call
    from callao.hostagent.api.save_api import SaveAnswer, SaveRequest

    request = SaveRequest(folder=str(folder), keep_running=keep_running)
    answer = call(paths.ha_sock, *routes.SAVE, body=request, timeout=_TIMEOUT)
    return msgspec.convert(answer, SaveAnswer)


def too_few_slots(config: Config, slots: int) -> str:
    """Why a machine with this configuration has too few slots to resume; empty when it has enough."""
    wanted = [len(each) for each in (config.mounts, config.additional_disks, config.networks)]
    if sum(wanted) > slots:
        counts = f"{wanted[0]}, {wanted[1]} and {wanted[2]}"
        return f"mounts, additionalDisks, networks: {counts} do not fit in {slots} slots."
    return ""


def machine_differences(bound: RequiredMachine, paths: InstancePaths, config: Config, driver: Driver) -> str:
    """How the machine differs from the saved one; empty when it does not."""
    if not isinstance(driver, RestoringDriver):
        return f"vmType {config.vm_type} has no saved states"
    slots = sorted(bound.disks.items(), key=lambda each: each[1])
    disks = tuple(DataDisk(name, Path("/"), "qcow2", serial(name), slot) for name, slot in slots)
    boot = Boot(paths, config, None, disks=disks, layout=bound.layout)
    return command_line_differences(bound.arguments, driver.machine_arguments(boot))
