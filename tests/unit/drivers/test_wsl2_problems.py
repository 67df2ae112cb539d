# SPDX-License-Identifier: GPL-3.0-or-later
"""What a distribution of WSL2 cannot have is refused, naming the field, the value and what is allowed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callao.cidata import Seed, seed_files
from callao.config import Config, MountType, VMType, effective
from callao.drivers import DeviceShare, driver_for
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.machine import WslMachine
from callao.drivers.wsl2.problems import is_rootfs
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.errors import AgentError, DriverError
from callao.host import Host, HostUser
from callao.hostagent.api import routes
from callao.hostagent.api.forwards_api import ForwardsApi
from callao.hostagent.api.http import Request

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "Europe/Lisbon")
DISK = {"name": "data", "format": True}


def config(**extra: Any) -> Config:
    images = [{"location": "https://example.com/root.tar.gz", "arch": "x86_64"}]
    document = {"vmType": "wsl2", "images": images, **extra}
    return effective(document, HOST, name="web", instance_dir=Path("/home/ann/.lima/web"))


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("/a/root.tar", ""),
        ("/a/root.v1.2.tar.zst", ""),
        ("https://example.com/root.tgz", ""),
        ("https://example.com/root.tzst?token=a/b.qcow2", ""),
        ("/a/root.qcow2", "is a disk image (qcow2)"),
        ("/a/root.raw.bz2", "is a disk image (raw)"),
        ("/a/root.img.xz", "is a disk image (img)"),
        ("/a/root.squashfs.gz", "is a squashfs image"),
        ("/a/root.zip", "is not named as the tar"),
        ("/a/root.tar.lz4", "is not named as the tar"),
        ("/a/tar", "is not named as the tar"),
        ("https://example.com/x.qcow2?as=root.tar", "is a disk image (qcow2)"),
    ],
)
def test_images_are_tars_by_their_names(location: str, words: str) -> None:
    found = driver_for(config().vm_type).validate(
        config(images=[{"location": location, "arch": "x86_64"}]), HOST
    )
    assert [problem.path for problem in found] == (["images[0].location"] if words else [])
    assert all(words in problem.message and "tar.zst" in problem.allowed for problem in found)
    assert is_rootfs(location) == (not words)


def test_an_image_of_another_architecture_may_be_of_any_kind() -> None:
    images = [
        {"location": "/a/root.tar", "arch": "x86_64"},
        {"location": "/a/root.qcow2", "arch": "aarch64"},
    ]
    assert driver_for(config().vm_type).validate(config(images=images), HOST) == []


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ({"arch": "aarch64", "images": [{"location": "/a.tar", "arch": "aarch64"}]}, "arch"),
        ({"mounts": [{"location": "/home/ann"}]}, "mounts[0].location"),
        ({"mounts": [{"location": "/mnt/wsl/x"}]}, "mounts[0].location"),
        ({"mounts": [{"location": "/mnt/c/Users/ann", "mountPoint": "/work"}]}, ""),
        ({"portForwards": [{"guestPort": 80, "hostPort": 80}]}, ""),
        ({"portForwards": [{"guestPort": 80, "hostPort": 8080}]}, "portForwards[0].hostPort"),
        ({"portForwards": [{"guestPort": 80, "hostIP": "0.0.0.0"}]}, "portForwards[0].hostIP"),
        ({"portForwards": [{"guestPort": 53, "proto": "udp"}]}, "portForwards[0].proto"),
        ({"portForwards": [{"guestPort": 80, "hostPort": 81, "ignore": True}]}, ""),
        ({"portForwards": [{"guestSocket": "/run/a.sock", "hostSocket": "/tmp/a.sock"}]}, ""),
        ({"additionalDisks": [DISK]}, "additionalDisks"),
        ({"tpm": True}, "tpm"),
    ],
)
def test_what_a_distribution_cannot_have_is_told(extra: dict[str, Any], path: str) -> None:
    found = driver_for(config().vm_type).validate(config(**extra), HOST)
    assert [problem.path for problem in found] == ([path] if path else [])
    assert all(problem.allowed for problem in found)


def test_what_is_mounted_while_it_runs_is_on_a_drive() -> None:
    process: Any = None
    machine = WslMachine(Wsl(Interop()), "lima-web", process)
    asyncio.run(machine.plug_share(DeviceShare("tag", MountType.WSL2, "/mnt/c/Users/ann")))
    with pytest.raises(
        DriverError, match=r"'/home/ann' is not on a drive of Windows.*allowed: a path below"
    ):
        asyncio.run(machine.plug_share(DeviceShare("tag", MountType.WSL2, "/home/ann")))


def test_a_port_forward_is_not_added_where_windows_makes_them() -> None:
    ports: Any = object()
    api = ForwardsApi(ports, tuple, driver_for(VMType.WSL2).features.guest_program)
    request = Request({}, {"guestPortRange": [80, 80], "hostPortRange": [8080, 8080]})
    with pytest.raises(AgentError, match="Connect to the guest's port on localhost"):
        asyncio.run(api.routes()[routes.ADD_FORWARD](request))


def test_the_seed_has_sshd_for_one_connection_and_no_program_that_reports_ports() -> None:
    files = seed_files(Seed("web", config(), (), "", "", "", {}))
    assert "wsl-sshd.sh" in files
    assert not [each for each in files if "guest" in each]


def test_directories_on_drives_are_bound_to_their_mount_points() -> None:
    mounts = [
        {"location": "/mnt/c/Users/ann", "mountPoint": "/work"},
        {"location": "/mnt/d/data", "writable": True},
    ]
    files = seed_files(Seed("web", config(mounts=mounts), (), "", "", "", {}))
    assert files["mounts.sh"].decode().splitlines() == [
        "mount_share none /mnt/c/Users/ann /work bind,ro",
        "mount_share none /mnt/d/data /mnt/d/data bind,rw",
    ]
