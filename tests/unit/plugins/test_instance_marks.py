# SPDX-License-Identifier: GPL-3.0-or-later
"""The options ``protected``, ``autostart`` and ``renamed_from`` of the module ``instance``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.modules import run_module


@pytest.fixture
def short() -> Iterator[Path]:
    """A LIMA_HOME right under /tmp, for sockets have short names, with a stopped instance ``web``."""
    folder = Path(tempfile.mkdtemp(prefix="k-", dir="/tmp"))
    (folder / "web").mkdir()
    (folder / "web" / "lima.yaml").write_text("images: [{location: /x.qcow2}]\n")
    yield folder
    shutil.rmtree(folder)


def test_one_task_renames_protects_and_registers_and_its_second_run_changes_nothing(short: Path) -> None:
    options = {
        "name": "shop", "renamed_from": "web", "state": "present", "protected": True, "autostart": "yes",
    }  # fmt: skip

    def asked(**more: Any) -> dict[str, Any]:
        user = {"HOME": str(short / "user"), "XDG_CONFIG_HOME": ""}
        return run_module("instance", {**options, **more}, short, **user)

    foretold = asked(_ansible_check_mode=True, _ansible_diff=True)
    done = asked(_ansible_diff=True)
    assert foretold["actions"] == done["actions"] == ["rename", "protect", "autostart"]
    assert foretold["diff"] == done["diff"]
    sides = [yaml.safe_load(done["diff"][side]) for side in ("before", "after")]
    assert [(side["name"], side["protected"], side["autostart"]) for side in sides] == [
        ("web", False, False),
        ("shop", True, True),
    ]
    assert (done["instance"]["protected"], done["instance"]["autostart"]) == (True, True)
    assert not asked()["changed"]
