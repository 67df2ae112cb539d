# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instances are on a network."""

from __future__ import annotations

from pathlib import Path

from callao.config import load
from callao.errors import CallaoError
from callao.instances import InstancePaths, names
from callao.instances.present import running


def users(network: str, home: Path) -> list[str]:
    """The instances whose lima.yaml names the network, as far as it can be read."""
    return [each for each in names(home) if network in _named(InstancePaths(home / each).lima_yaml, network)]


def running_users(network: str, home: Path) -> list[str]:
    """Those of them that run."""
    return [each for each in users(network, home) if is_running(InstancePaths(home / each))]


def is_running(paths: InstancePaths) -> bool:
    found = running(paths)
    return found.agent is not None or found.driver is not None


def _named(path: Path, wanted: str) -> list[object]:
    try:
        text = path.read_text(encoding="utf-8")
        entries = load(text, str(path)).get("networks") if wanted in text else None
    except (CallaoError, OSError, UnicodeDecodeError):
        return []
    if not isinstance(entries, list):
        return []
    return [each.get("lima") for each in entries if isinstance(each, dict)]
