# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules ``mount`` and ``mount_info`` on a stopped instance, run as Ansible runs them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.modules import run_module

from callao.config import dump


@pytest.fixture
def box() -> Iterator[Path]:
    """A LIMA_HOME with a stopped instance ``web``; right under /tmp, for its sockets have short names."""
    folder = Path(tempfile.mkdtemp(prefix="mm-", dir="/tmp"))
    (folder / "web").mkdir()
    (folder / "web" / "lima.yaml").write_text(
        dump(
            {
                "images": [{"location": "/nowhere.qcow2"}], "vmType": "qemu", "arch": "x86_64",
                "cpus": 2, "memory": "1GiB", "mountType": "9p",
            }
        )
    )  # fmt: skip
    yield folder
    shutil.rmtree(folder)


def mounts(box: Path) -> list[dict[str, Any]]:
    document = yaml.safe_load((box / "web" / "lima.yaml").read_text())
    entries: list[dict[str, Any]] = document.get("mounts", [])
    return entries


def text(box: Path) -> bytes:
    return (box / "web" / "lima.yaml").read_bytes()


def test_a_directory_is_kept_and_the_second_run_changes_nothing(box: Path, tmp_path: Path) -> None:
    task = {"instance": "web", "location": str(tmp_path), "mount_point": "/srv", "persist": True}
    first = run_module("mount", task, box)
    assert first["changed"], first
    assert (first["mount"]["location"], first["mount"]["mount_point"]) == (str(tmp_path), "/srv")
    assert mounts(box) == [{"location": str(tmp_path), "mountPoint": "/srv", "writable": False}]
    before = text(box)
    second = run_module("mount", task, box)
    assert not second["changed"]
    assert second["diff"]["before"] == second["diff"]["after"]
    assert text(box) == before


def test_check_mode_shows_the_difference_and_writes_nothing(box: Path, tmp_path: Path) -> None:
    before = text(box)
    task = {"instance": "web", "location": str(tmp_path), "mount_point": "/srv", "persist": True}
    result = run_module("mount", {**task, "_ansible_check_mode": True, "_ansible_diff": True}, box)
    assert result["changed"]
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"]["mount_point"] == "/srv"
    assert text(box) == before


def test_a_change_shows_what_was_there(box: Path, tmp_path: Path) -> None:
    task = {"instance": "web", "location": str(tmp_path), "mount_point": "/srv", "persist": True}
    run_module("mount", task, box)
    result = run_module("mount", {**task, "writable": True}, box)
    assert result["changed"]
    sides = (result["diff"]["before"]["writable"], result["diff"]["after"]["writable"])
    assert sides == (False, True)


def test_it_goes_again(box: Path, tmp_path: Path) -> None:
    run_module("mount", {"instance": "web", "location": str(tmp_path), "persist": True}, box)
    task = {"instance": "web", "mount_point": str(tmp_path), "state": "unmounted", "persist": True}
    result = run_module("mount", task, box)
    assert (result["changed"], result["mount"], result["diff"]["after"]) == (True, None, {})
    assert mounts(box) == []
    assert not run_module("mount", task, box)["changed"]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"location": "/tmp"}, "missing required arguments: instance"),
        ({"instance": "web"}, "one of the following is required: location, mount_point"),
        ({"instance": "web", "mount_point": "/srv"}, "all of the following are missing: location"),
        ({"instance": "web", "location": "/tmp", "type": "nfs"}, "must be one of: reverse-sshfs, 9p"),
        ({"instance": "web", "location": "/tmp", "state": "there"}, "must be one of: mounted, unmounted"),
        ({"instance": "web", "location": "/tmp", "mount_point": "/srv"}, "'persist: true'"),
        ({"instance": "web", "location": "/no/such", "persist": True}, "is not a directory of this host"),
        ({"instance": "none", "location": "/tmp"}, "'none'"),
    ],
)
def test_a_wrong_task_fails_with_what_is_allowed(box: Path, task: dict[str, Any], words: str) -> None:
    before = text(box)
    result = run_module("mount", task, box)
    assert result["failed"]
    assert words in result["msg"]
    assert text(box) == before


def test_info_of_a_stopped_one_is_what_its_lima_yaml_says(box: Path, tmp_path: Path) -> None:
    assert run_module("mount_info", {"instance": "web"}, box)["mounts"] == []
    run_module("mount", {"instance": "web", "location": str(tmp_path), "persist": True}, box)
    result = run_module("mount_info", {"instance": "web", "_ansible_check_mode": True}, box)
    point = {"location": str(tmp_path), "mount_point": str(tmp_path)}
    assert result["mounts"] == [{**point, "type": "9p", "writable": False, "hot": False}]
    assert not result["changed"]


def test_info_of_none_says_so(box: Path) -> None:
    result = run_module("mount_info", {"instance": "none"}, box)
    assert result["failed"]
    assert "'none'" in result["msg"]


def test_both_take_the_groups_defaults_and_the_one_door() -> None:
    runtime = yaml.safe_load((Path(__file__).parents[3] / "meta" / "runtime.yml").read_text())
    for name in ("mount", "mount_info"):
        assert name in runtime["action_groups"]["lima"]
        assert runtime["plugin_routing"]["modules"][name]["action_plugin"] == "callao.lima.instance"
