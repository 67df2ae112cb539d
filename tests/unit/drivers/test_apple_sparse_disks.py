# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks in Apple's sparse format, by stand-ins for diskutil and hdiutil; raw where there are none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.apple.diskutil_program import OFFSET, VERSION
from support.apple.install import install

from callao.config import effective
from callao.drivers.apple import asif, common, disk
from callao.drivers.base import Boot
from callao.errors import DriverError
from callao.events import Event
from callao.host import Host
from callao.images import FetchedImage
from callao.images.formats import ImageFormat
from callao.instances import InstancePaths

MIB = 2**20
DATA = b"data" * 1024


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A qcow2 of 3 MiB with data in the second."""
    raw, made = tmp_path / "raw", tmp_path / "image"
    raw.write_bytes(b"\0" * MIB + DATA + b"\0" * (2 * MIB - len(DATA)))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(made)], check=True)
    return made


@pytest.fixture
def macos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has the programs of a release of macOS on PATH."""

    def programs(release: str) -> None:
        found = install(tmp_path / "bin", {VERSION: release}, ("diskutil", "hdiutil"))
        monkeypatch.setenv("PATH", str(found), prepend=os.pathsep)

    return programs


def test_a_sparse_disk_has_the_image_and_its_size_and_grows(
    image: Path, tmp_path: Path, macos: Callable[[str], None]
) -> None:
    macos("26")
    made = tmp_path / "disk ü"
    disk.create(made, image, 64 * MIB, "image", sparse=True)
    held = made.read_bytes()
    assert (asif.is_asif(made), asif.size_of(made)) == (True, 64 * MIB)
    assert held[OFFSET + MIB : OFFSET + MIB + len(DATA)] == DATA
    assert held[OFFSET + MIB + len(DATA) :].strip(b"\0") == b""
    disk.grow(made, 128 * MIB)
    disk.grow(made, 32 * MIB)
    assert asif.size_of(made) == 128 * MIB
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bin", "disk ü", "image", "raw"]


def test_a_host_that_makes_no_sparse_disk_makes_a_raw_one(
    image: Path, tmp_path: Path, macos: Callable[[str], None]
) -> None:
    macos("15")
    made = tmp_path / "disk"
    disk.create(made, image, 64 * MIB, "image", sparse=True)
    assert (made.stat().st_size, made.read_bytes()[MIB : MIB + len(DATA)]) == (64 * MIB, DATA)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bin", "disk", "image", "raw"]


def test_an_image_that_cannot_be_copied_leaves_nothing_attached(
    tmp_path: Path, macos: Callable[[str], None]
) -> None:
    macos("26")
    damaged, made = tmp_path / "image", tmp_path / "disk"
    damaged.write_bytes(b"QFI\xfb\0\0\0\3" + b"\0" * 16 + MIB.to_bytes(8, "big") + b"\xff" * 4096)
    assert asif.make(made, MIB)
    with pytest.raises(DriverError, match="qemu-img convert"):
        asif.fill(made, damaged, ImageFormat.QCOW2)
    assert list(tmp_path.glob("*.device")) == []


@pytest.mark.parametrize(("release", "told"), [("26", 0), ("15", 1)])
def test_the_start_tells_of_a_raw_disk_where_a_sparse_one_was_wanted(
    release: str, told: int, image: Path, tmp_path: Path, macos: Callable[[str], None]
) -> None:
    macos(release)
    host, events = Host.detect(), list[Event]()
    paths = InstancePaths(tmp_path / "box")
    paths.dir.mkdir()
    document = {
        "vmType": "vz",
        "images": [{"location": str(image), "arch": host.arch}],
        "disk": "4MiB",
        "vmOpts": {"vz": {"diskImageFormat": "asif"}},
    }
    config = effective(document, host, name="box", instance_dir=paths.dir)
    common.create(paths, config, FetchedImage(image, str(image), host.arch))
    common.tell_of_raw_disk(Boot(paths, config, None, mac_address=""), events.append)
    assert asif.is_asif(paths.disk) == (release == "26")
    assert ["diskImageFormat: asif: the disk is raw" in each.message for each in events] == [True] * told
