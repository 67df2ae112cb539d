# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration says of shared directories: tags, the guest's mount, the type by default."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from callao import host as host_facts
from callao.config import Config, MountType, effective
from callao.config.schema import P9, Mount
from callao.config.shares import GuestMount, device_mounts, guest_mount, mount_tag
from callao.host import Host, HostUser, virtiofsds

P9_, VIRTIOFS, SSHFS = MountType.P9, MountType.VIRTIOFS, MountType.REVERSE_SSHFS
SRC = Mount(location="/home/ann/src", mount_point="/srv/src")


def config(*, virtiofs: bool = False, **document: Any) -> Config:
    ann = HostUser("ann", 1001, "Ann", "/home/ann")
    machine = Host("linux", "x86_64", 8, 2**34, ann, "", virtiofs=virtiofs)
    base = {"images": [{"location": "/img.qcow2"}], "cpus": 2, "memory": "1GiB"}
    return effective({**base, **document}, machine, name="web", instance_dir=Path("/h/web"))


@pytest.mark.parametrize(
    ("location", "point"),
    [("/home/ann/src", "/srv/src"), ("/a", "/a"), ("/é, 'x", "/srv/é, 'x"), ("/" + "long/" * 40, "/x")],
)
def test_the_tag_is_limas_and_fits_into_a_device(location: str, point: str) -> None:
    tag = mount_tag(Mount(location=location, mount_point=point))
    assert tag == "lima-" + hashlib.sha256(f"{location}:{point}".encode()).digest()[:8].hex()
    assert len(tag) <= 31


def test_one_directory_at_two_points_has_two_tags() -> None:
    assert mount_tag(SRC) != mount_tag(Mount(location=SRC.location, mount_point="/other"))


@pytest.mark.parametrize(
    ("kind", "fields", "options"),
    [
        (VIRTIOFS, {}, "ro"),
        (VIRTIOFS, {"writable": True}, "rw"),
        (P9_, {"p9": P9(cache="fscache")}, "ro,trans=virtio,version=9p2000.L,msize=131072,cache=fscache"),
        (
            P9_,
            {"writable": True, "p9": P9(cache="mmap", msize=65536, protocol_version="9p2000.u")},
            "rw,trans=virtio,version=9p2000.u,msize=65536,cache=mmap",
        ),
    ],
)
def test_the_guest_mounts_by_tag(kind: MountType, fields: dict[str, Any], options: str) -> None:
    mount = Mount(location="/home/ann/src", mount_point="/srv/src", **fields)
    assert guest_mount(mount, kind) == GuestMount(kind.value, mount_tag(mount), "/srv/src", options)


@pytest.mark.parametrize(("writable", "cache"), [(True, "mmap"), (False, "fscache")])
def test_9ps_cache_is_limas_by_whether_the_guest_may_write(writable: bool, cache: str) -> None:
    (mount,) = config(mounts=[{"location": "/data", "writable": writable}]).mounts
    assert guest_mount(mount, P9_).options.endswith(f"msize=131072,cache={cache}")


@pytest.mark.parametrize(
    ("document", "devices"),
    [
        ({"mountType": "9p"}, 2),
        ({"mountType": "virtiofs"}, 2),
        ({"mountType": "reverse-sshfs"}, 0),
        ({"mountType": "9p", "plain": True}, 0),
    ],
)
def test_only_devices_are_the_machines_business(document: dict[str, Any], devices: int) -> None:
    made = config(mounts=[{"location": "/data"}, {"location": "/more"}], **document)
    assert len(device_mounts(made)) == devices


@pytest.mark.parametrize(
    ("unsupported", "virtiofs", "kind"),
    [
        ([], False, P9_),
        ([], True, P9_),
        (["9p"], True, VIRTIOFS),
        (["9p"], False, SSHFS),
        (["9p", "virtiofs"], True, SSHFS),
        (["virtiofs"], True, P9_),
    ],
)
def test_the_type_is_the_first_that_guest_and_host_can_do(
    unsupported: list[str], virtiofs: bool, kind: MountType
) -> None:
    assert config(virtiofs=virtiofs, mountTypesUnsupported=unsupported).mount_type is kind


def test_a_type_that_is_named_is_taken_whatever_the_host_has() -> None:
    assert config(mountType="virtiofs").mount_type is VIRTIOFS


@pytest.mark.parametrize(("euid", "usable"), [(0, [True, True]), (1001, [True, False])])
def test_qemus_own_virtiofsd_is_for_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, euid: int, usable: list[bool]
) -> None:
    rust, own = tmp_path / "rust", tmp_path / "own"
    rust.touch()
    own.touch()
    places = ((str(tmp_path / "none"), False), (str(rust), False), (str(own), True))
    monkeypatch.setattr(host_facts, "_VIRTIOFSD_PATHS", places)
    monkeypatch.setattr("os.geteuid", lambda: euid)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert list(virtiofsds()) == list(zip([str(rust), str(own)], usable, strict=True))


def test_a_virtiofsd_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "virtiofsd"
    program.touch(mode=0o755)
    monkeypatch.setattr(host_facts, "_VIRTIOFSD_PATHS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(virtiofsds()) == [(str(program), True)]
