# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules in real plays, as far as they go without a virtual machine."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

INSTANCE = "callao.lima.instance"
INFO = "callao.lima.instance_info"
IMAGE = "callao.lima.image"


@pytest.fixture
def disk(site: Any) -> Path:
    path: Path = site.folder / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "4M"], check=True)
    return path


def sha256(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_home_that_is_not_there_has_no_instances(play: Callable[..., Any], home: Path) -> None:
    (result,) = play({INFO: {}}).results
    assert result["instances"] == []
    assert not home.exists()


def test_check_mode_says_what_a_new_instance_would_be_and_makes_nothing(
    play: Callable[..., Any], home: Path
) -> None:
    new = {
        "name": "web",
        "template": "debian-12",
        "cpus": 2,
        "config": {"cpus": 1, "timezone": "America/Lima"},
    }
    played = play({INSTANCE: new, "check_mode": True, "diff": True}, {INFO: {"name": "web"}})
    result, info = played.results
    assert result["changed"]
    assert result["actions"]
    assert "instance" not in result
    assert result["diff"]["before"] == ""
    after = yaml.safe_load(result["diff"]["after"])
    assert (after["cpus"], after["timezone"]) == (2, "America/Lima")
    assert info["instances"] == []
    assert not (home / "web").exists()


def test_a_shortcut_goes_before_the_same_key_in_config_and_lists_add_up(play: Callable[..., Any]) -> None:
    forwards = {
        "port_forwards": [{"guestPort": 80, "hostPort": 8080}],
        "config": {"portForwards": [{"guestPort": 443, "hostPort": 8443}]},
    }
    new = {"name": "web", "template": "debian-12", **forwards}
    (result,) = play({INSTANCE: new, "check_mode": True, "diff": True}).results
    forwarded = [
        rule["hostPortRange"][0] for rule in yaml.safe_load(result["diff"]["after"])["portForwards"]
    ]
    assert forwarded == [8080, 8443]


def test_an_instance_that_is_not_there_is_absent(play: Callable[..., Any]) -> None:
    (result,) = play({INSTANCE: {"name": "web", "state": "absent"}}).results
    assert not result["changed"]
    assert not result["failed"]


def test_every_problem_of_a_configuration_is_told_at_once(play: Callable[..., Any]) -> None:
    wrong = {"name": "web", "template": "debian-12", "cpus": -1, "config": {"memroy": "2GiB"}}
    (result,) = play({INSTANCE: wrong}).results
    assert result["error"] == "ConfigError"
    assert {"cpus", "memroy"} <= {problem["path"] for problem in result["problems"]}
    assert "memory" in result["msg"]
    assert "Traceback" not in str(result)


def test_an_image_is_fetched_once(play: Callable[..., Any], site: Any, disk: Path) -> None:
    wanted = {"location": f"{site.url}/disk.qcow2", "digest": sha256(disk)}
    first, again = play({IMAGE: wanted}, {IMAGE: wanted}).results
    assert first["changed"]
    assert not first["from_cache"]
    assert Path(first["path"]).exists()
    assert first["digest"] == wanted["digest"]
    assert not again["changed"]
    assert again["from_cache"]
    assert again["path"] == first["path"]


def test_check_mode_fetches_nothing(play: Callable[..., Any], site: Any, disk: Path, home: Path) -> None:
    wanted = {"location": f"{site.url}/disk.qcow2", "digest": sha256(disk)}
    (result,) = play({IMAGE: wanted, "check_mode": True}).results
    assert result["changed"]
    assert "path" not in result
    assert not list(home.rglob("*.qcow2"))


def test_check_mode_knows_an_image_that_is_there(play: Callable[..., Any], site: Any, disk: Path) -> None:
    wanted = {"location": f"{site.url}/disk.qcow2", "digest": sha256(disk)}
    _fetched, checked = play({IMAGE: wanted}, {IMAGE: wanted, "check_mode": True}).results
    assert not checked["changed"]
    assert checked["from_cache"]


def test_a_wrong_digest_is_told_with_both_digests(
    play: Callable[..., Any], site: Any, disk: Path, home: Path
) -> None:
    wrong = "sha256:" + "0" * 64
    (result,) = play({IMAGE: {"location": f"{site.url}/disk.qcow2", "digest": wrong}}).results
    assert result["failed"]
    assert wrong in result["msg"]
    assert sha256(disk) in result["msg"]


def test_an_image_that_nobody_vouches_for_is_a_warning(
    play: Callable[..., Any], site: Any, disk: Path
) -> None:
    (result,) = play({IMAGE: {"images": [{"location": f"{site.url}/disk.qcow2"}]}}).results
    assert result["changed"]
    assert any("digest" in warning for warning in result["warnings"])


def test_the_next_location_is_taken_when_one_fails(play: Callable[..., Any], site: Any, disk: Path) -> None:
    images = [{"location": f"{site.url}/gone.qcow2"}, {"location": f"{site.url}/disk.qcow2"}]
    (result,) = play({IMAGE: {"images": images}}).results
    assert result["location"] == images[1]["location"]


def test_an_interpreter_that_somebody_chose_is_kept(play: Callable[..., Any], tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    chosen = f"localhost ansible_connection=local ansible_python_interpreter={bare}/bin/python\n"
    (result,) = play({INFO: {}}, inventory=chosen).results
    assert result["failed"]
    assert "library (callao)" in result["msg"]
    assert str(bare) in result["msg"]


def test_a_delegated_task_runs_under_the_controllers_python_too(play: Callable[..., Any]) -> None:
    there = "elsewhere ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1\n"
    (result,) = play(
        {INFO: {}, "delegate_to": "localhost", "vars": {"ansible_connection": "local"}}, inventory=there
    ).results
    assert result["instances"] == []
