# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules ``disk`` and ``disk_info``, and the option ``disks``, run as Ansible runs them."""

from __future__ import annotations

from pathlib import Path

import yaml
from support.modules import run_module

from callao.disks.change import create
from callao.images.formats import ImageFormat

MIB = 2**20


def test_a_disk_is_made_once_grows_and_goes(tmp_path: Path) -> None:
    task = {"name": "data", "size": "64MiB"}
    first = run_module("disk", task, tmp_path)
    assert first["changed"], first
    assert first["disk"] == {
        "name": "data", "size": 64 * MIB, "format": "qcow2", "dir": str(tmp_path / "_disks/data"),
        "instance": "", "instance_dir": "", "mount_point": "/mnt/lima-data",
    }  # fmt: skip
    assert (first["diff"]["before"], first["diff"]["after"]) == ({}, first["disk"])
    second = run_module("disk", task, tmp_path)
    assert not second["changed"]
    assert second["disk"] == first["disk"]
    assert not run_module("disk", {"name": "data"}, tmp_path)["changed"]
    grown = run_module("disk", {"name": "data", "size": 128 * MIB}, tmp_path)
    assert (grown["changed"], grown["disk"]["size"]) == (True, 128 * MIB)
    (seen,) = run_module("disk_info", {}, tmp_path)["disks"]
    assert seen == grown["disk"]
    gone = run_module("disk", {"name": "data", "state": "absent"}, tmp_path)
    assert (gone["changed"], gone["disk"], gone["diff"]["before"]) == (True, None, seen)
    assert not run_module("disk", {"name": "data", "state": "absent"}, tmp_path)["changed"]


def test_a_wrong_task_fails_with_what_is_allowed(tmp_path: Path) -> None:
    result = run_module("disk", {"name": "a b", "size": "1MiB"}, tmp_path)
    assert result["failed"]
    assert "'a b': cannot be a disk's name (allowed: letters and digits" in result["msg"]
    foretold = run_module("disk", {"name": "a", "size": "1MiB", "_ansible_check_mode": True}, tmp_path)
    assert foretold["disk"] == {"name": "a", "size": MIB, "format": "qcow2", "mount_point": "/mnt/lima-a"}
    assert not (tmp_path / "_disks").exists()


def test_info_leaves_out_what_cannot_be_read_and_says_so(tmp_path: Path) -> None:
    create("data", tmp_path, size=MIB, form=ImageFormat.QCOW2)
    (tmp_path / "_disks" / "broken").mkdir()
    result = run_module("disk_info", {}, tmp_path)
    assert [each["name"] for each in result["disks"]] == ["data"]
    assert "disk 'broken' has no image" in str(result)
    assert run_module("disk_info", {"name": "none"}, tmp_path)["disks"] == []


def test_an_instance_has_disks_by_its_option_and_makes_those_with_a_size(tmp_path: Path) -> None:
    disks = [
        {"name": "data", "size": "1MiB", "fs_type": "xfs", "fsArgs": ["-q"]},
        {"name": "old", "format": False},
    ]
    task = {
        "name": "web", "state": "present", "disks": disks, "_ansible_diff": True,
        "config": {"images": [{"location": "/x.qcow2"}]},
    }  # fmt: skip
    foretold = run_module("instance", {**task, "_ansible_check_mode": True}, tmp_path)
    assert foretold["actions"] == ["create-disk", "create"], foretold
    assert not (tmp_path / "_disks").exists()
    listed = yaml.safe_load(foretold["diff"]["after"])["additionalDisks"]
    assert [each["name"] for each in listed] == ["data", "old"]
    assert (listed[0]["fsType"], listed[0]["fsArgs"], listed[1]["format"]) == ("xfs", ["-q"], False)
    wrong = run_module("instance", {**task, "cpus": -1}, tmp_path)
    assert wrong["failed"]
    assert not (tmp_path / "_disks").exists()
    wrong = run_module("instance", {**task, "disks": [{"name": "data", "size": "x"}]}, tmp_path)
    assert "additionalDisks[0].size: 'x' is no size" in wrong["msg"]
