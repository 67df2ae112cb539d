# SPDX-License-Identifier: GPL-3.0-or-later
"""The create playbook, with a stand-in for the engine that makes an instance."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from molecule_project import Project

from callao.molecule.names import instance_name

STANDIN = str(Path(__file__).parent / "standin")
SCRIPT = "#!/bin/sh\necho '{{ nothing_to_template }}'\n"


@pytest.fixture
def created(project: Project) -> Project:
    platforms = [
        {
            "name": "web",
            "groups": ["servers"],
            "cpus": 2,
            "provision": [{"mode": "system", "script": SCRIPT}],
            "mounts": [{"location": "/srv", "mount_point": "/x", "sshfs": {"follow_symlinks": True}}],
            "port_forwards": [{"guest_port": 80, "host_ip": "127.0.0.1"}, {"guestPort": 90}],
            "networks": [{"name": "mine", "vz_nat": True, "mac_address": "52:55:55:00:00:01"}],
        },
        {"name": "late", "timeout": 1},
    ]
    project.scenario(driver={"name": "molecule-callao"}, platforms=platforms)
    done = project.run("create", PYTHONPATH=STANDIN)
    assert done.returncode != 0
    assert "late: it did not start in time." in done.stdout + done.stderr
    return project


def given(project: Project, platform: str) -> dict[str, Any]:
    name = instance_name(project.path, "default", platform)
    return json.loads((project.lima / name / "given.json").read_text())


def test_each_platform_becomes_an_instance_and_the_record_is_private(created: Project) -> None:
    assert given(created, "web")["config"]["cpus"] == 2
    assert given(created, "late")["timeout"] == 1
    # What a guest is to run is its own business: nothing in it is Ansible's to fill in.
    assert given(created, "web")["config"]["provision"][0]["script"] == SCRIPT

    # Both spellings of a field are taken, as by the modules.
    assert (
        given(created, "web")["config"].items()
        >= {
            "mounts": [{"location": "/srv", "mountPoint": "/x", "sshfs": {"followSymlinks": True}}],
            "portForwards": [{"guestPort": 80, "hostIP": "127.0.0.1"}, {"guestPort": 90}],
            "networks": [{"vzNAT": True, "macAddress": "52:55:55:00:00:01"}],
        }.items()
    )

    (record,) = (created.ansible / "tmp").glob("molecule.*/instance_config.yml")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    # Who runs Molecule finds beside it what took the time, and keeps it when the scenario has ended.
    assert instance_name(created.path, "default", "web") in record.with_name("timeline.html").read_text()
    assert record.with_name("timeline.jsonl").exists()
    # The other did not come up.
    assert [entry["instance"] for entry in yaml.safe_load(record.read_text())] == ["web"]
