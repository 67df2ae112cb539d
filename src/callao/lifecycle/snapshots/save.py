# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine saved while it runs, and who can go on from what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from callao.config import Config
from callao.disks.guest import serial
from callao.drivers import Boot, DataDisk, Driver
from callao.instances import InstancePaths
from callao.snapshots import Bound, differences

if TYPE_CHECKING:
    from callao.hostagent.api.saving import SaveAnswer

_TIMEOUT = 600.0
"""Seconds for the host agent to save a machine; a slow disk writes a gigabyte in ten."""


def save(paths: InstancePaths, folder: Path, *, go_on: bool) -> SaveAnswer:
    """Have the host agent write memory and devices into ``folder``.

    :param go_on: whether the machine does.
    :raises AgentError: when it cannot be saved.
    """
    # With half of the host agent, which who goes on from something saved has no use for.
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call
    from callao.hostagent.api.saving import SaveAnswer, SaveRequest

    asked = SaveRequest(folder=str(folder), go_on=go_on)
    said = call(paths.ha_sock, *routes.SAVE, body=asked, timeout=_TIMEOUT)
    return msgspec.convert(said, SaveAnswer)


def too_few_slots(config: Config, slots: int) -> str:
    """Why one like this cannot go on as a copy of another; empty when it can."""
    wanted = [len(each) for each in (config.mounts, config.additional_disks, config.networks)]
    if sum(wanted) > slots:
        counts = f"{wanted[0]}, {wanted[1]} and {wanted[2]}"
        return f"mounts, additionalDisks, networks: {counts} do not fit in {slots} slots."
    return ""


def machine_differences(bound: Bound, paths: InstancePaths, config: Config, driver: Driver) -> str:
    """What of the machine is another than what was saved is bound to; empty when nothing is."""
    slots = sorted(bound.disks.items(), key=lambda each: each[1])
    disks = tuple(DataDisk(name, Path("/"), "qcow2", serial(name), slot) for name, slot in slots)
    boot = Boot(paths, config, None, disks=disks, shape=bound.shape)
    return differences(bound.words, driver.machine_words(boot))
