# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instances are on a network."""

from __future__ import annotations

from pathlib import Path

from callao.instances import InstancePaths
from callao.instances.references import instances_referring_to
from callao.instances.status import live_processes


def users(network: str, home: Path) -> list[str]:
    """The instances whose lima.yaml names the network, as far as it can be read."""
    return instances_referring_to(network, home, "networks", _name_of)


def running_users(network: str, home: Path) -> list[str]:
    """Those of them that run."""
    return [each for each in users(network, home) if _runs(InstancePaths(home / each))]


def _runs(paths: InstancePaths) -> bool:
    found = live_processes(paths)
    return found.agent is not None or found.driver is not None


def _name_of(entry: object) -> object:
    return entry.get("lima") if isinstance(entry, dict) else None
