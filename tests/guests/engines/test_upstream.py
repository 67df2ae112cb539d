# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker of a repository and containerd of an archive, which the role installs where Debian's packages were.

Both are stand-ins on this host.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from engines.upstream_box import WRONG, Box, running_box
from support.engines import build_engines
from support.upstream import KEEP, KEPT, Upstream, digest, served_upstream

pytestmark = [pytest.mark.guest, pytest.mark.long]

SOURCE = "/etc/apt/sources.list.d/docker.sources"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with served_upstream(tmp_path_factory.mktemp("upstream")) as found:
        yield found


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """With Debian's docker.io, whose programs the stand-ins have."""
    with running_box("upstream", build_engines()) as found:
        found.root(KEEP)
        yield found


def docker(upstream: Upstream, **variables: Any) -> dict[str, Any]:
    """The role's variables for Docker from the stand-in of its repository."""
    key = {"repo_key_checksum": digest(upstream.key)}
    return {"source": "upstream", "repo_url": upstream.url, **key, **variables}


def containerd(upstream: Upstream, **variables: Any) -> dict[str, Any]:
    archive = {"archive_url": upstream.archive_url, "archive_checksum": digest(upstream.archive)}
    return {"name": "containerd", "source": "upstream", "mode": "rootful", **archive, **variables}


def test_docker_of_its_repository_takes_the_place_of_debians(box: Box, upstream: Upstream) -> None:
    said = box.play(**docker(upstream, repo_key_checksum=WRONG))
    assert (
        f"container_engine_repo_key_checksum is {WRONG}, and the key at {upstream.url}/debian/gpg is" in said
    )
    assert "failed=1" in said
    assert "changed=0" in said
    assert box.run(f"ls -d {SOURCE} /etc/apt/keyrings/docker.asc 2>&1 | grep -c 'No such'") == "2"

    said = box.play(**docker(upstream, version="27.0.1"))
    assert "container_engine_version is 27.0.1, and" in said
    assert "Allowed are 5:28.5.2-1~debian.12~bookworm, 5:28.5.1-1~debian.12~bookworm." in said
    assert "docker.io" in box.packages()

    checked = box.play("--check", **docker(upstream, version="28.5.1"))
    assert "failed=0" in checked, checked
    assert "docker.io" in box.packages()

    first, second = (box.play(**docker(upstream, version="28.5.1")) for _ in range(2))
    assert "failed=0" in first, first
    assert "changed=0" in second, second
    packages = box.packages()
    assert packages["docker-ce"] == packages["docker-ce-cli"] == "5:28.5.1-1~debian.12~bookworm"
    assert {"docker.io", "rootlesskit", "containerd", "runc"}.isdisjoint(packages)
    server = "docker --host unix://$XDG_RUNTIME_DIR/docker.sock info --format '{{.DockerRootDir}}'"
    assert box.run(f"export XDG_RUNTIME_DIR=/run/user/$(id -u); {server}").startswith("/home/")
    assert box.run("readlink /proc/$(pgrep --uid $(id -u) -x dockerd | head -1)/exe") == f"{KEPT}/dockerd"
    assert box.run("systemctl is-active docker.service || :") == "inactive", "root's has not come back"

    newer = box.play(**docker(upstream, version="28.5.2", mode="rootful"))
    assert "failed=0" in newer, newer
    assert (
        box.run("docker --host unix:///run/docker.sock info --format '{{.DockerRootDir}}'")
        == "/var/lib/docker"
    )
    assert box.packages()["docker-ce-rootless-extras"] == "5:28.5.2-1~debian.12~bookworm"

    said = box.play()
    assert (
        f"container_engine_source is distribution, and {box.name} has docker from upstream already" in said
    )
    assert "docker-ce" in box.packages()


def test_containerd_of_the_archive_runs_beside_the_package(box: Box, upstream: Upstream) -> None:
    said = box.play(**containerd(upstream, archive_checksum=WRONG))
    assert f"container_engine_archive_checksum is {WRONG}, and {upstream.archive_url} is another" in said
    assert "changed=0" in said
    assert box.run("ls /usr/local/bin /var/cache | grep -c -e containerd -e nerdctl || :") == "0"

    first, second = (box.play(**containerd(upstream)) for _ in range(2))
    assert "failed=0" in first, first
    assert "changed=0" in second, second
    unit = box.run("systemctl show --property=ExecStart,ActiveState containerd.service")
    assert "path=/usr/local/bin/containerd" in unit
    assert "ActiveState=active" in unit
    assert "Server:" in box.run("sudo /usr/local/bin/ctr version")

    said = box.play(name="containerd")
    assert "has containerd from upstream already (" in said
    assert "/usr/local/lib/callao-containerd-archive" in said
