# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of all modules: the home, the parts of lima.yaml in both spellings, and the engine's version."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.modules import run_module

import callao

REPOSITORY = Path(__file__).parents[3]


def plain(**options: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "config": {"images": [{"location": "/x.qcow2"}]},
        "_ansible_check_mode": True,
        **options,
    }


def test_both_spellings_of_a_suboption_mean_the_same(tmp_path: Path) -> None:
    ours = [{"guest_port": "80", "host_port": 8080, "host_ip": "127.0.0.2"}]
    limas = [{"guestPort": 80, "hostPort": "8080", "hostIP": "127.0.0.2"}]
    found = [
        run_module("instance", plain(_ansible_diff=True, port_forwards=rules), tmp_path)["diff"]["after"]
        for rules in (ours, limas)
    ]
    assert found[0] == found[1]
    rule = yaml.safe_load(found[0])["portForwards"][0]
    assert (rule["guestPortRange"], rule["hostPortRange"], rule["hostIP"]) == (
        [80, 80],
        [8080, 8080],
        "127.0.0.2",
    )


def test_a_suboption_that_does_not_exist_is_named(tmp_path: Path) -> None:
    result = run_module("instance", plain(mounts=[{"location": "/tmp", "mountpoint": "/x"}]), tmp_path)
    assert result["failed"]
    assert "mountpoint" in result["msg"]


def test_every_module_has_the_home_as_an_option(tmp_path: Path) -> None:
    home = tmp_path / "another"
    (home / "web").mkdir(parents=True)
    (home / "web" / "lima.yaml").write_text("images: [{location: /x.qcow2}]\n")
    result = run_module("instance_info", {"lima_home": str(home)}, tmp_path / "nowhere")
    assert [each["name"] for each in result["instances"]] == ["web"]
    for module in sorted((REPOSITORY / "plugins" / "modules").glob("*.py")):
        assert "**HOME" in module.read_text(), module.name


def test_a_home_that_is_relative_is_refused(tmp_path: Path) -> None:
    result = run_module("instance_info", {"lima_home": "boxes"}, tmp_path)
    assert result["msg"] == "lima_home: 'boxes' is not an absolute path (allowed: one, or one below ~)."


def test_the_collection_says_which_engine_it_is_made_for() -> None:
    text = (REPOSITORY / "plugins/module_utils/_engine.py").read_text()
    found = re.search(r'^VERSION = "(.*)"$', text, re.MULTILINE)
    galaxy = yaml.safe_load((REPOSITORY / "galaxy.yml").read_text())
    assert found is not None
    assert found[1] == callao.__version__ == galaxy["version"]


@pytest.mark.parametrize(
    ("given", "is_file"),
    [
        ("./box.yaml", True), ("../box", True), ("box.yml", True), ("boxes/web.yaml", True),
        ("debian-12", False), ("template:debian-12", False), ("https://x.example/y.yaml", False),
        ("github:o/r/x.yaml", False), ("~/x.yaml", False), ("/srv/x.yaml", False),
    ],
)  # fmt: skip
def test_only_relative_files_are_looked_for_beside_the_playbook(given: str, is_file: bool) -> None:
    path = REPOSITORY / "plugins/filter/beside_playbook.py"
    spec = importlib.util.spec_from_file_location("beside_playbook", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.beside_playbook(given) == (str(Path.cwd() / given) if is_file else given)


def test_the_options_of_9p_are_taken_under_limas_own_name(play: Callable[..., Any]) -> None:
    box = {"name": "web", "config": {"images": [{"location": "/x.qcow2"}]}}
    mounts = [{"location": "/tmp", "mount_point": "/x", "9p": {"cache": "none"}}]
    task = {"callao.lima.instance": {**box, "mounts": mounts}, "check_mode": True, "diff": True}
    (result,) = play(task).results
    assert yaml.safe_load(result["diff"]["after"])["mounts"][0]["9p"]["cache"] == "none"


def test_a_forwarded_socket_is_returned_as_the_host_finds_it(tmp_path: Path) -> None:
    rule = {"instance": "web", "guest_socket": "/run/docker.sock", "host_socket": "docker.sock"}
    result = run_module("port_forward", {**rule, "_ansible_check_mode": True}, tmp_path)
    assert result.get("changed"), result
    assert result["host_socket"] == str(tmp_path / "web" / "sock" / "docker.sock")
    result = run_module("port_forward", {**rule, "guest_port": 80}, tmp_path)
    assert "mutually exclusive: guest_port|guest_port_range|guest_socket" in result["msg"]
