# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules ``network`` and ``network_info``, run as Ansible runs them."""

from __future__ import annotations

from pathlib import Path

from support.modules import run_module


def test_a_network_is_made_once_changes_and_goes(tmp_path: Path) -> None:
    file = tmp_path / "_config" / "networks.yaml"
    task = {"name": "lab", "mode": "shared", "gateway": "10.0.0.1/24"}
    foretold = run_module("network", {**task, "_ansible_check_mode": True}, tmp_path)
    assert foretold["changed"]
    assert not file.exists()
    first = run_module("network", task, tmp_path)
    assert first["network"] == foretold["network"] == {
        "name": "lab", "mode": "shared", "gateway": "10.0.0.1", "dhcp_end": "10.0.0.254",
        "netmask": "255.255.255.0",
    }  # fmt: skip
    assert (first["changed"], first["diff"]) == (True, {"before": {}, "after": first["network"]})
    written = file.read_text()
    assert "192.168.104.1" in written
    for same in (task, {"name": "lab"}, {"name": "lab", "gateway": "10.0.0.1"}, {"name": "shared"}):
        assert not run_module("network", same, tmp_path)["changed"]
    assert file.read_text() == written
    wider = run_module("network", {"name": "lab", "netmask": "255.255.0.0"}, tmp_path)
    assert (wider["changed"], wider["network"]["netmask"]) == (True, "255.255.0.0")
    (seen,) = run_module("network_info", {"name": "lab"}, tmp_path)["networks"]
    assert seen == {**wider["network"], "subnet": "10.0.0.0/16", "instances": []}
    bridged = run_module("network", {"name": "lab", "mode": "bridged", "interface": "en0"}, tmp_path)
    assert bridged["network"] == {"name": "lab", "mode": "bridged", "interface": "en0"}
    gone = run_module("network", {"name": "lab", "state": "absent"}, tmp_path)
    assert (gone["changed"], gone["network"], gone["diff"]["before"]) == (True, None, bridged["network"])
    assert not run_module("network", {"name": "lab", "state": "absent"}, tmp_path)["changed"]


def test_a_wrong_task_fails_with_what_is_allowed(tmp_path: Path) -> None:
    result = run_module("network", {"name": "lab", "gateway": "192.168.104.7"}, tmp_path)
    assert result["failed"]
    assert "overlaps 192.168.104.0/24 of network user-v2 (allowed: a subnet of its own)" in result["msg"]
    assert not list(tmp_path.iterdir()) or not (tmp_path / "_config").exists()


def test_info_has_the_defaults_where_there_is_no_file(tmp_path: Path) -> None:
    found = run_module("network_info", {}, tmp_path)["networks"]
    assert [each["name"] for each in found] == ["bridged", "host", "shared", "user-v2"]
    assert not (tmp_path / "_config").exists()
