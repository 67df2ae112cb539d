# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role container_engine refuses, and the packages that it asks for: without a guest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from support import programs

REPOSITORY = Path(__file__).parents[3]
ROLE = """
- hosts: all
  gather_facts: false
  roles: [callao.lima.container_engine]
"""
PACKAGES = """
- hosts: all
  gather_facts: false
  vars_files: [%s/roles/container_engine/vars/main.yml]
  tasks:
    - ansible.builtin.set_fact:
        cacheable: true
        distribution: Debian
        distribution_major_version: "{{ release }}"
    - keep:
        content: "{{ container_engine_missing_packages | to_json }}"
        dest: "{{ results }}/{{ inventory_hostname }}"
"""


def play(folder: Path, playbook: str, hosts: dict[str, dict[str, Any]]) -> str:
    """What ansible-playbook says."""
    (folder / "hosts.json.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    (folder / "play.yml").write_text(playbook)
    argv = ["ansible-playbook", "-i", str(folder / "hosts.json.yml"), "-e", f"results={folder}"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    done = programs.run(*argv, str(folder / "play.yml"), environment={**kept, **programs.settings()})
    return done.stdout + done.stderr


def test_another_engine_and_another_mode_are_refused_with_those_that_there_are(tmp_path: Path) -> None:
    # A Python that does not exist: a module in the guest would say so.
    nowhere = {"ansible_connection": "local", "ansible_python_interpreter": "/nowhere"}
    engine = {**nowhere, "container_engine_name": "rkt"}
    mode = {**nowhere, "container_engine_mode": "root"}
    said = " ".join(play(tmp_path, ROLE, {"engine": engine, "mode": mode}).split())
    assert "value of container_engine_name must be one of: docker, podman, containerd, got: rkt" in said
    assert "value of container_engine_mode must be one of: rootless, rootful, got: root" in said
    assert "nowhere" not in said


def test_only_packages_that_the_guest_lacks_are_asked_for(tmp_path: Path) -> None:
    def host(engine: str, mode: str, release: str, installed: str = "") -> dict[str, Any]:
        return {
            "container_engine_name": engine,
            "container_engine_mode": mode,
            "release": release,
            "container_engine_query": {"stdout_lines": installed.splitlines()},
        }

    there = "ii podman\nii crun\nrc iptables\nii slirp4netns"
    hosts = {
        "docker-12": host("docker", "rootful", "12"),
        "docker-13": host("docker", "rootful", "13"),
        "podman": host("podman", "rootless", "12", there),
        "containerd": host("containerd", "rootless", "12"),
    }
    said = play(tmp_path, PACKAGES % REPOSITORY, hosts)
    found = {
        name: set(json.loads((tmp_path / name).read_text())) for name in hosts if "failed=1" not in said
    }
    assert found == {
        "docker-12": {"docker.io", "apparmor", "iptables"},
        "docker-13": {"docker.io", "apparmor", "iptables", "docker-cli"},
        "podman": {"containers-storage", "iptables", "dbus-user-session", "fuse-overlayfs", "uidmap"},
        "containerd": {
            "containerd",
            "dbus-user-session",
            "fuse-overlayfs",
            "rootlesskit",
            "slirp4netns",
            "uidmap",
        },
    }
