# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the collection, as Galaxy installs it, that hides the one of the Python package."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.callao.lima.plugins.plugin_utils._duplicate_collection import hidden_copy

REPOSITORY = Path(__file__).parents[3]


def test_a_copy_that_hides_the_packages_own_is_told_once(play: Callable[..., Any], tmp_path: Path) -> None:
    copy = tmp_path / "galaxy" / "ansible_collections" / "callao" / "lima"
    for folder in ("meta", "plugins"):
        shutil.copytree(REPOSITORY / folder, copy / folder)
    engine = copy / "plugins/module_utils/_engine.py"
    ours = next(line for line in engine.read_text().splitlines() if line.startswith("VERSION"))
    engine.write_text(engine.read_text().replace(ours, 'VERSION = "0.0.9"'))
    gone: dict[str, Any] = {"callao.lima.instance": {"name": "web", "state": "absent"}}
    hosts = "a ansible_connection=local\nb ansible_connection=local\n"
    played = play(gone, gone, inventory=hosts, ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "galaxy"))
    said = " ".join((played.stdout + played.stderr).split())
    assert said.count("collection callao.lima 0.0.9 in") == 1
    version = ours.partition('"')[2].rstrip('"')
    assert f"in {copy} hides version {version}," in said
    assert f"in {REPOSITORY}." in said


def test_the_packages_own_hides_nothing() -> None:
    assert hidden_copy(REPOSITORY, sys.path) is None
    assert hidden_copy(Path("/elsewhere"), sys.path) == REPOSITORY
    assert hidden_copy(Path("/elsewhere"), ["", "/nowhere"]) is None
