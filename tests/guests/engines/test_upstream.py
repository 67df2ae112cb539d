# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker of a repository and containerd of an archive, which the role installs where Debian's packages were.

Both are stand-ins on this host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.connection import instances, run
from support.engines import build_engines
from support.home import Home, temporary_home
from support.upstream import KEEP, KEPT, Upstream, digest, served_upstream

pytestmark = [pytest.mark.guest, pytest.mark.long]

NAME = "upstream"
WRONG = "sha256:" + "0" * 64
PLAY = "- {hosts: guests, gather_facts: false, roles: [callao.lima.container_engine]}\n"
SOURCE = "/etc/apt/sources.list.d/docker.sources"


@dataclass(frozen=True)
class Box:
    """A running guest with Debian's docker.io, whose programs the stand-ins have."""

    home: Home
    folder: Path
    upstream: Upstream

    def run(self, command: str) -> str:
        """Standard output of a command in the guest."""
        done = self.home.ssh(NAME, command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def play(self, *words: str, **variables: Any) -> str:
        """What ansible-playbook says of the role with these variables, in one line."""
        given = {f"container_engine_{key}": value for key, value in variables.items()}
        (self.folder / "play.yml").write_text(PLAY)
        argv = ("-e", json.dumps({"container_engine_host_socket": "", **given}), *words)
        here = {"home": self.home.path, "control_dir": self.folder}
        done = run("ansible-playbook", instances(NAME), str(self.folder / "play.yml"), *argv, **here)
        return " ".join((done.stdout + done.stderr).split())

    def packages(self) -> dict[str, str]:
        """Those that are installed, and their versions."""
        lines = self.run(
            "dpkg-query --show --showformat='${db:Status-Abbrev}${Package} ${Version}\\n'"
        ).splitlines()
        return dict(line.split()[1:] for line in lines if line.startswith("ii"))

    def docker(self, **variables: Any) -> dict[str, Any]:
        """The role's variables for Docker from the stand-in of its repository."""
        key = {"repo_key_checksum": digest(self.upstream.key)}
        return {"source": "upstream", "repo_url": self.upstream.url, **key, **variables}

    def containerd(self, **variables: Any) -> dict[str, Any]:
        archive = {
            "archive_url": self.upstream.archive_url,
            "archive_checksum": digest(self.upstream.archive),
        }
        return {"name": "containerd", "source": "upstream", "mode": "rootful", **archive, **variables}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    golden = build_engines()
    with (
        temporary_home(golden) as home,
        served_upstream(tmp_path_factory.mktemp("upstream")) as upstream,
    ):
        folder = home.path / "host"
        folder.mkdir()
        home.ensure(NAME, extra=home.direct(), timeout=900)
        found = Box(home, folder, upstream)
        found.run(f"sudo sh -ec '{KEEP}'")
        yield found


def test_docker_of_its_repository_takes_the_place_of_debians(box: Box) -> None:
    said = box.play(**box.docker(repo_key_checksum=WRONG))
    assert (
        f"container_engine_repo_key_checksum is {WRONG}, and the key at {box.upstream.url}/debian/gpg is"
        in said
    )
    assert "failed=1" in said
    assert "changed=0" in said
    assert box.run(f"ls -d {SOURCE} /etc/apt/keyrings/docker.asc 2>&1 | grep -c 'No such'") == "2"

    said = box.play(**box.docker(version="27.0.1"))
    assert "container_engine_version is 27.0.1, and" in said
    assert "Allowed are 5:28.5.2-1~debian.12~bookworm, 5:28.5.1-1~debian.12~bookworm." in said
    assert "docker.io" in box.packages()

    checked = box.play("--check", **box.docker(version="28.5.1"))
    assert "failed=0" in checked, checked
    assert "docker.io" in box.packages()

    first, second = (box.play(**box.docker(version="28.5.1")) for _ in range(2))
    assert "failed=0" in first, first
    assert "changed=0" in second, second
    packages = box.packages()
    assert packages["docker-ce"] == packages["docker-ce-cli"] == "5:28.5.1-1~debian.12~bookworm"
    assert {"docker.io", "rootlesskit", "containerd", "runc"}.isdisjoint(packages)
    server = "docker --host unix://$XDG_RUNTIME_DIR/docker.sock info --format '{{.DockerRootDir}}'"
    assert box.run(f"export XDG_RUNTIME_DIR=/run/user/$(id -u); {server}").startswith("/home/")
    assert box.run("readlink /proc/$(pgrep --uid $(id -u) -x dockerd | head -1)/exe") == f"{KEPT}/dockerd"
    assert box.run("systemctl is-active docker.service || :") == "inactive", "root's has not come back"

    newer = box.play(**box.docker(version="28.5.2", mode="rootful"))
    assert "failed=0" in newer, newer
    assert (
        box.run("docker --host unix:///run/docker.sock info --format '{{.DockerRootDir}}'")
        == "/var/lib/docker"
    )
    assert box.packages()["docker-ce-rootless-extras"] == "5:28.5.2-1~debian.12~bookworm"

    said = box.play()
    assert f"container_engine_source is distribution, and {NAME} has docker from upstream already" in said
    assert "docker-ce" in box.packages()


def test_containerd_of_the_archive_runs_beside_the_package(box: Box) -> None:
    said = box.play(**box.containerd(archive_checksum=WRONG))
    assert f"container_engine_archive_checksum is {WRONG}, and {box.upstream.archive_url} is another" in said
    assert "changed=0" in said
    assert box.run("ls /usr/local/bin /var/cache | grep -c -e containerd -e nerdctl || :") == "0"

    first, second = (box.play(**box.containerd()) for _ in range(2))
    assert "failed=0" in first, first
    assert "changed=0" in second, second
    unit = box.run("systemctl show --property=ExecStart,ActiveState containerd.service")
    assert "path=/usr/local/bin/containerd" in unit
    assert "ActiveState=active" in unit
    assert "Server:" in box.run("sudo /usr/local/bin/ctr version")

    said = box.play(name="containerd")
    assert "has containerd from upstream already (" in said
    assert "/usr/local/lib/callao-containerd-archive" in said
