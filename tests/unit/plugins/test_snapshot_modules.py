# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules ``snapshot`` and ``snapshot_info`` on a stopped instance, run as Ansible runs them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.callao.lima.plugins.action.instance import WITH_PROGRESS, display_name
from support.modules import run_module

from callao.config import dump


@pytest.fixture
def box() -> Iterator[Path]:
    """A LIMA_HOME with a stopped instance ``web``; right under /tmp, for its sockets have short names."""
    folder = Path(tempfile.mkdtemp(prefix="sm-", dir="/tmp"))
    (folder / "web").mkdir()
    document = {
        "images": [{"location": "/nowhere.qcow2"}], "vmType": "qemu", "arch": "x86_64",
        "cpus": 2, "memory": "1GiB", "firmware": {"legacyBIOS": True},
    }  # fmt: skip
    (folder / "web" / "lima.yaml").write_text(dump(document))
    disk = str(folder / "web" / "disk")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "4M"], check=True)
    yield folder
    shutil.rmtree(folder)


def files(box: Path) -> list[str]:
    return sorted(str(path) for path in box.rglob("*") if path.parent.name != "_locks")


def test_one_is_taken_once(box: Path) -> None:
    task = {"instance": "web", "name": "pristine"}
    first = run_module("snapshot", task, box)
    assert first["changed"], first
    assert first["snapshot"]["name"] == "pristine"
    assert not first["snapshot"]["memory"]
    assert first["snapshot"]["size"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["snapshot"]["created"])
    assert (first["instance"]["name"], first["instance"]["status"]) == ("web", "Stopped")
    assert (first["diff"]["before"], first["diff"]["after"]["name"]) == ({}, "pristine")
    before = files(box)
    second = run_module("snapshot", task, box)
    assert not second["changed"]
    assert second["snapshot"]["created"] == first["snapshot"]["created"]
    assert second["diff"]["before"] == second["diff"]["after"]
    assert files(box) == before


def test_a_return_changes_each_time(box: Path) -> None:
    run_module("snapshot", {"instance": "web", "name": "a"}, box)
    for _ in range(2):
        result = run_module("snapshot", {"instance": "web", "name": "a", "state": "applied"}, box)
        assert result["changed"], result
        assert result["snapshot"]["name"] == "a"
        assert result["diff"]["after"] == {"status": "Stopped", "snapshot": "a"}


def test_it_goes_and_is_gone(box: Path) -> None:
    run_module("snapshot", {"instance": "web", "name": "a"}, box)
    task = {"instance": "web", "name": "a", "state": "absent"}
    first = run_module("snapshot", task, box)
    assert (first["changed"], first["snapshot"], first["diff"]["after"]) == (True, None, {})
    assert first["diff"]["before"] == {"name": "a", "memory": False}
    assert not run_module("snapshot", task, box)["changed"]


@pytest.mark.parametrize(
    ("name", "state", "changed"),
    [
        ("a", "present", False),
        ("b", "present", True),
        ("a", "applied", True),
        ("a", "absent", True),
        ("b", "absent", False),
    ],
)
def test_check_mode_tells_and_touches_nothing(box: Path, name: str, state: str, changed: bool) -> None:
    run_module("snapshot", {"instance": "web", "name": "a"}, box)
    before, disk = files(box), (box / "web" / "disk").stat().st_ino
    task = {"instance": "web", "name": name, "state": state}
    result = run_module("snapshot", {**task, "_ansible_check_mode": True, "_ansible_diff": True}, box)
    assert result["changed"] == changed, result
    assert (files(box), (box / "web" / "disk").stat().st_ino) == (before, disk)
    for_real = run_module("snapshot", {**task, "_ansible_diff": True}, box)
    assert for_real["changed"] == changed
    wanted = {side: drop(result["diff"][side]) for side in ("before", "after")}
    assert {side: drop(for_real["diff"][side]) for side in ("before", "after")} == wanted


def drop(side: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in side.items() if key != "age"}


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"name": "a"}, "missing required arguments: instance"),
        ({"instance": "web"}, "missing required arguments: name"),
        ({"instance": "web", "name": "a", "state": "there"}, "must be one of: present, applied, absent"),
        ({"instance": "web", "name": "a b"}, "'a b': cannot be a snapshot's name (allowed: 1 to 64"),
        (
            {"instance": "web", "name": "a", "state": "applied"},
            "'web' has no snapshot 'a' (there are: none)",
        ),
        ({"instance": "none", "name": "a"}, "instance 'none' does not exist"),
        (
            {"instance": "web", "name": "a", "timeout": 0},
            "timeout: 0.0 is no time (allowed: seconds above 0)",
        ),
    ],
)
def test_a_wrong_task_fails_with_what_is_allowed(box: Path, task: dict[str, Any], words: str) -> None:
    before = files(box)
    result = run_module("snapshot", task, box)
    assert result["failed"]
    assert words in result["msg"]
    assert files(box) == before


def test_a_broken_instance_says_why(box: Path) -> None:
    (box / "web" / "lima.yaml").write_text("cpus: many\n")
    result = run_module("snapshot", {"instance": "web", "name": "a"}, box)
    assert result["failed"]
    assert "instance 'web' is broken" in result["msg"]


def test_info_lists_them_by_age_or_one_by_name(box: Path) -> None:
    assert run_module("snapshot_info", {"instance": "web"}, box)["snapshots"] == []
    for name in ("b", "a"):
        run_module("snapshot", {"instance": "web", "name": name}, box)
    result = run_module("snapshot_info", {"instance": "web", "_ansible_check_mode": True}, box)
    assert [each["name"] for each in result["snapshots"]] == ["b", "a"]
    assert set(result["snapshots"][0]) == {"name", "created", "age", "memory", "size"}
    assert not result["changed"]
    (one,) = run_module("snapshot_info", {"instance": "web", "name": "a"}, box)["snapshots"]
    assert one["name"] == "a"
    assert run_module("snapshot_info", {"instance": "web", "name": "c"}, box)["snapshots"] == []
    assert "'none'" in run_module("snapshot_info", {"instance": "none"}, box)["msg"]


def test_its_stages_are_shown_under_the_instances_name() -> None:
    assert "callao.lima.snapshot" in WITH_PROGRESS
    assert display_name({"instance": "web", "name": "pristine"}) == "web"
    assert display_name({"name": "web", "template": "debian-12"}) == "web"
