# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module goes through the one door, and is in the group that sets defaults for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))


@pytest.fixture(scope="module")
def runtime() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    return loaded


def test_the_action_group_has_every_module(runtime: dict[str, Any]) -> None:
    assert sorted(runtime["action_groups"]["lima"]) == MODULES


def test_every_module_goes_through_the_one_door(runtime: dict[str, Any]) -> None:
    routed = {name: entry["action_plugin"] for name, entry in runtime["plugin_routing"]["modules"].items()}
    assert {"instance": "callao.lima.instance", **routed} == dict.fromkeys(MODULES, "callao.lima.instance")
