# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host agent is started for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from callao.config import Config
from callao.drivers import Driver
from callao.hostagent.folder import Folder
from callao.instances import InstancePaths, ResumeState


@dataclass(frozen=True)
class Assignment:
    """One start of one instance."""

    paths: InstancePaths
    folder: Folder
    config: Config
    driver: Driver
    timeout: float
    """Seconds to become ready in."""
    last_port: int
    """The ssh port of the start before, 0 when there was none."""
    reload: Callable[[], Config]
    """Reads lima.yaml again."""
    take_up: ResumeState | None = None
    """The saved state to go on from, in place of booting."""
