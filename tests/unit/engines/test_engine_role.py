# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role container_engine refuses, and the packages that it asks for: without a guest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml
from support import programs

import callao
from callao.config import effective
from callao.config.containerd import archive_version
from callao.host import Host

FILES = Path(__file__).parents[3] / "roles" / "container_engine"
PINNED = ("docker-ce", "docker-ce-cli", "docker-ce-rootless-extras")
ROLE = """
- hosts: all
  gather_facts: false
  roles: [callao.lima.container_engine]
"""
VALUES = """
- hosts: all
  gather_facts: false
  vars_files: [%s/vars/main.yml]
  tasks:
    - ansible.builtin.set_fact:
        cacheable: true
        distribution: "{{ system | default('Debian') }}"
        distribution_major_version: "{{ release | default('12') }}"
        distribution_release: bookworm
        architecture: "{{ arch | default('x86_64') }}"
    - keep:
        content: "{{ lookup('vars', wanted) | to_json }}"
        dest: "{{ results }}/{{ inventory_hostname }}"
"""
"""Keeps the value that the role's variable \"wanted\" has on each host."""

UPSTREAM = {"container_engine_source": "upstream"}
CONTAINERD = {**UPSTREAM, "container_engine_name": "containerd"}
NOWHERE = {"ansible_connection": "local", "ansible_python_interpreter": "/nowhere"}
"""With a Python that does not exist: a module in the guest would say so."""


def play(folder: Path, playbook: str, hosts: dict[str, dict[str, Any]]) -> str:
    """What ansible-playbook says."""
    (folder / "hosts.json.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    (folder / "play.yml").write_text(playbook)
    argv = ["ansible-playbook", "-i", str(folder / "hosts.json.yml"), "-e", f"results={folder}"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    done = programs.run(*argv, str(folder / "play.yml"), environment={**kept, **programs.settings()})
    return done.stdout + done.stderr


def values(folder: Path, hosts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the role's variable that each host names as \"wanted\" is there, beside the role's defaults."""
    defaults = yaml.safe_load((FILES / "defaults/main.yml").read_text())
    said = play(folder, VALUES % FILES, {name: {**defaults, **host} for name, host in hosts.items()})
    assert "failed=1" not in said, said
    return {name: json.loads((folder / name).read_text()) for name in hosts}


def packages(engine: str, mode: str, installed: str = "", **variables: str) -> dict[str, Any]:
    """A host that wants the packages which are to be installed."""
    return {
        "wanted": "container_engine_missing_packages",
        "container_engine_name": engine,
        "container_engine_mode": mode,
        "container_engine_query": {"stdout_lines": installed.splitlines()},
        **variables,
    }


def test_another_engine_and_another_mode_are_refused_with_those_that_there_are(tmp_path: Path) -> None:
    engine = {**NOWHERE, "container_engine_name": "rkt"}
    mode = {**NOWHERE, "container_engine_mode": "root"}
    source = {**NOWHERE, "container_engine_source": "snap"}
    said = " ".join(play(tmp_path, ROLE, {"engine": engine, "mode": mode, "source": source}).split())
    assert "value of container_engine_name must be one of: docker, podman, containerd, got: rkt" in said
    assert "value of container_engine_mode must be one of: rootless, rootful, got: root" in said
    assert "value of container_engine_source must be one of: distribution, upstream, got: snap" in said
    assert "nowhere" not in said


def test_what_no_source_has_is_refused_before_the_guest_is_asked(tmp_path: Path) -> None:
    digest = "sha256:" + "0" * 63
    hosts = {
        "podman": {**UPSTREAM, "container_engine_name": "podman"},
        "fixed": {"container_engine_version": "28.5.1"},
        "words": {**UPSTREAM, "container_engine_version": "newest"},
        "key": {**UPSTREAM, "container_engine_repo_key_checksum": digest},
        "digest": {**CONTAINERD, "container_engine_archive_checksum": digest},
        "archive": {**CONTAINERD, "container_engine_archive_url": "https://mirror.example/n.tgz"},
        "release": {**CONTAINERD, "container_engine_version": "2.3.4"},
    }
    said = play(tmp_path, ROLE, {name: {**NOWHERE, **host} for name, host in hosts.items()})
    text = " ".join(said.split())
    assert "container_engine_source is upstream, and the Podman project publishes no packages" in text
    assert "container_engine_version is 28.5.1, and container_engine_source is distribution" in text
    assert "container_engine_version is newest. Allowed is a version such as 28.5.1" in text
    assert f"container_engine_repo_key_checksum is {digest}. Allowed is sha256: or sha512:" in text
    assert f"container_engine_archive_checksum is {digest}. Allowed is sha256: or sha512:" in text
    assert "container_engine_archive_checksum is empty, and https://mirror.example/n.tgz has no" in text
    assert "container_engine_archive_checksum is empty, and the archive of nerdctl 2.3.4 has no" in text
    assert text.count("failed=1") == len(hosts)
    assert "nowhere" not in text


def test_only_packages_that_the_guest_lacks_are_asked_for(tmp_path: Path) -> None:
    there = "ii podman 4.3\nhi crun 1.8\nrc iptables 1.8\nii slirp4netns 1.2"
    hosts = {
        "docker-12": packages("docker", "rootful", release="12"),
        "docker-13": packages("docker", "rootful", release="13"),
        "podman": packages("podman", "rootless", there),
        "containerd": packages("containerd", "rootless"),
    }
    assert {name: set(found) for name, found in values(tmp_path, hosts).items()} == {
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


def test_of_upstream_only_what_lacks_or_has_another_version_is_asked_for(tmp_path: Path) -> None:
    there = """\
ii apparmor 3
ii iptables 1.8
ii containerd.io 1.7
ii docker-buildx-plugin 0.29
ii docker-compose-plugin 2.40
hi docker-ce 5:28.5.1-1~debian.12~bookworm
ii docker-ce-cli 5:28.5.10-1~debian.12~bookworm
ii docker-ce-rootless-extras 5:28.5.1-1~debian.12~bookworm
"""
    pinned = {**UPSTREAM, "container_engine_version": "28.5.1"}
    hosts = {
        "none": packages("docker", "rootful", **UPSTREAM),
        "some": packages("docker", "rootful", there, **UPSTREAM),
        "other": packages("docker", "rootful", there, **pinned),
        "archive": packages("containerd", "rootless", "ii fuse3 3", **UPSTREAM),
    }
    docker = {"docker-ce", "docker-ce-cli", "docker-ce-rootless-extras", "docker-buildx-plugin"}
    assert {name: set(found) for name, found in values(tmp_path, hosts).items()} == {
        "none": {*docker, "docker-compose-plugin", "containerd.io", "apparmor", "iptables"},
        "some": set(),
        "other": {"docker-ce-cli"},
        "archive": {"iptables", "dbus-user-session", "uidmap"},
    }


def test_a_version_is_the_one_that_the_repository_has(tmp_path: Path) -> None:
    names = (
        "5:28.5.10-1~debian.12~bookworm",
        "5:28.5.1-1~debian.12~bookworm",
        "5:28.4.0-1~debian.12~bookworm",
    )
    offered = [f" docker-ce | {name} | http://x/debian bookworm/stable amd64 Packages" for name in names]

    def host(wanted: str, version: str) -> dict[str, Any]:
        asked = {**packages("docker", "rootful"), **UPSTREAM, "container_engine_version": version}
        found = {"container_engine_madison": {"stdout_lines": offered}}
        return {**asked, **found, "wanted": wanted}

    hosts = {
        "offered": host("container_engine_offered", "1"),
        "none": host("container_engine_candidates", "28.5"),
        "short": host("container_engine_pinned_packages", "28.5.1"),
        "whole": host("container_engine_pinned_packages", names[2]),
    }
    assert {name: set(found) for name, found in values(tmp_path, hosts).items()} == {
        "offered": set(names),
        "none": set(),
        "short": {f"{name}={names[1]}" for name in PINNED},
        "whole": {f"{name}={names[2]}" for name in PINNED},
    }


def test_the_repository_and_the_archive_follow_the_guest_and_the_mirror(tmp_path: Path) -> None:
    mirror = {**UPSTREAM, "container_engine_repo_url": "http://mirror.example/docker", "system": "Ubuntu"}
    own = {"container_engine_archive_url": "/n.tgz", "container_engine_archive_checksum": "sha256:URL"}
    other = {"container_engine_version": "2.3.4", "container_engine_archive_checksum": "sha512:0"}
    hosts = {
        "key": {**UPSTREAM, "wanted": "container_engine_repo_key"},
        "repository": {**mirror, "wanted": "container_engine_repo_text"},
        "default": {**CONTAINERD, "arch": "aarch64", "wanted": "container_engine_archive_text"},
        "own": {**CONTAINERD, **own, "arch": "riscv64", "wanted": "container_engine_archive_text"},
        "release": {**CONTAINERD, **other, "wanted": "container_engine_archive_text"},
    }
    found = values(tmp_path, hosts)
    document = {"arch": "aarch64", "images": [{"location": "/x.qcow2"}], "containerd": {"user": True}}
    config = effective(document, Host.detect(), name="web", instance_dir=tmp_path)
    assert found["default"] == archive_version(config), (
        "what the boot script of lima.yaml's containerd writes"
    )
    assert found["own"] == "/n.tgz sha256:URL\n"
    location = "https://github.com/containerd/nerdctl/releases/download/v2.3.4/nerdctl-full-2.3.4-linux-amd64.tar.gz"
    assert found["release"] == f"{location} sha512:0\n"
    assert found["key"] == "https://download.docker.com/linux/debian/gpg"
    assert dict(line.split(": ") for line in found["repository"].splitlines()) == {
        "Types": "deb",
        "URIs": "http://mirror.example/docker/ubuntu",
        "Suites": "bookworm",
        "Components": "stable",
        "Signed-By": "/etc/apt/keyrings/docker.asc",
    }


def test_an_architecture_without_an_archive_is_named(tmp_path: Path) -> None:
    host = {**CONTAINERD, "arch": "riscv64", "wanted": "container_engine_archive"}
    defaults = yaml.safe_load((FILES / "defaults/main.yml").read_text())
    said = " ".join(play(tmp_path, VALUES % FILES, {"box": {**defaults, **host}}).split())
    assert "publishes no archive for riscv64, but for x86_64, aarch64" in said


def test_rootlesskit_has_the_profile_that_the_boot_script_gives_it() -> None:
    profile = (FILES / "templates/rootlesskit.apparmor.j2").read_text()
    script = Path(callao.__file__).with_name("cidata") / "scripts" / "40-containerd.sh"
    assert profile.replace("{{ container_engine_bin }}", "$prefix/bin") in script.read_text()
