# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that containerd is installed from: the first that there is, and no request for a known one."""

from __future__ import annotations

from pathlib import Path

import pytest
from images.conftest import Server, sha256

from callao.config import Config, effective
from callao.config.containerd import DEFAULT_ARCHIVES, archive_version, archives
from callao.errors import ImageError
from callao.events import silent
from callao.host import Host, HostUser
from callao.lifecycle.containerd_archive import fetch_archive
from callao.offline import NetworkAccess

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "Europe/Lisbon")


def config(*entries: dict[str, str], arch: str = "x86_64") -> Config:
    containerd = {"user": True, "archives": [*entries]}
    document = {"arch": arch, "images": [{"location": "/img.qcow2"}], "containerd": containerd}
    return effective(document, HOST, name="web", instance_dir=Path("/home/ann/.lima/web"))


def fetched(found: Config, home: Path, access: NetworkAccess = NetworkAccess.ONLINE) -> Path:
    return fetch_archive(found, home=home, access=access, report=silent)


def test_the_configurations_own_come_first_and_those_of_other_architectures_not_at_all() -> None:
    own = config({"location": "/own.tgz"}, {"location": "/arm.tgz", "arch": "aarch64"})
    assert [each.location for each in archives(own)] == ["/own.tgz", DEFAULT_ARCHIVES[0].location]
    assert [each.location for each in archives(config(arch="aarch64"))] == [DEFAULT_ARCHIVES[1].location]
    assert archives(config(arch="riscv64")) == ()
    assert archive_version(own) != archive_version(config())


def test_the_first_that_there_is_is_taken_and_asked_for_once(server: Server, tmp_path: Path) -> None:
    url = server.serve("/nerdctl.tgz", b"archive")
    found = config(
        {"location": str(tmp_path / "nosuch.tgz")}, {"location": url, "digest": sha256(b"archive")}
    )
    assert fetched(found, tmp_path).read_bytes() == b"archive"
    assert fetched(found, tmp_path, NetworkAccess.OFFLINE).read_bytes() == b"archive"
    assert len(server.requests) == 1


def test_where_there_is_none_each_reason_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tgz"
    wrong.write_bytes(b"other")
    entries = [{"location": str(wrong), "digest": sha256(b"archive")}, {"location": "/nosuch.tgz"}]
    with pytest.raises(ImageError) as caught:
        fetched(config(*entries), tmp_path, NetworkAccess.OFFLINE)
    for word in (str(wrong), "/nosuch.tgz", DEFAULT_ARCHIVES[0].location, "containerd.user"):
        assert word in str(caught.value)
