# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of one run of the host agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from callao.config import Config
from callao.drivers import Driver
from callao.hostagent.instance_folder import InstanceFolder
from callao.instances import InstancePaths, ResumeState


@dataclass(frozen=True)
class Assignment:
    """One start of an instance."""

    paths: InstancePaths
    folder: InstanceFolder
    config: Config
    driver: Driver
    timeout: float
    """Seconds in which the machine must become ready."""
    last_port: int
    """The ssh port of the previous start, 0 if there was none."""
    reload: Callable[[], Config]
    """Reads lima.yaml again."""
    resume_state: ResumeState | None = None
    """The saved state to restore in place of booting."""
