# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that writes another format's header into its raw disk reads no file of the host."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from callao.disks import DiskPaths, attachable, inspect
from callao.disks.change import create, import_file
from callao.drivers.qemu.disks import layers
from callao.errors import DiskError
from callao.images.formats import ImageFormat

MIB = 2**20


def forged(path: Path) -> None:
    """As a guest would, through its raw disk."""
    other = path.with_name("forged")
    argv = [
        "qemu-img",
        "create",
        "-q",
        "-u",
        "-f",
        "qcow2",
        "-b",
        "/etc/shadow",
        "-F",
        "raw",
        str(other),
        "1M",
    ]
    subprocess.run(argv, check=True)
    header = other.read_bytes()[:4096]
    other.unlink()
    with path.open("r+b") as file:
        file.write(header)


@pytest.mark.parametrize("how", ["created", "imported", "limactl's"])
def test_a_raw_disk_stays_one_whatever_its_guest_writes(tmp_path: Path, how: str) -> None:
    paths = DiskPaths.of("data", tmp_path)
    if how == "created":
        create("data", tmp_path, size=MIB, form=ImageFormat.RAW)
    elif how == "imported":
        (tmp_path / "raw.img").write_bytes(b"\xaa" * MIB)
        import_file("data", tmp_path, tmp_path / "raw.img")
    else:
        paths.dir.mkdir(parents=True)
        paths.image.write_bytes(b"\0" * MIB)
        assert attachable("data", tmp_path).format is ImageFormat.RAW  # from then on it is known
    forged(paths.image)
    assert (inspect("data", tmp_path).format, inspect("data", tmp_path).size) == (ImageFormat.RAW, MIB)
    assert attachable("data", tmp_path).format is ImageFormat.RAW


def test_a_qcow2_that_refers_to_other_files_is_given_to_no_guest(tmp_path: Path) -> None:
    create("data", tmp_path, size=MIB, form=ImageFormat.QCOW2)
    image = DiskPaths.of("data", tmp_path).image
    layers.freeze_all([image])
    assert attachable("data", tmp_path).format is ImageFormat.QCOW2
    forged(image)
    with pytest.raises(DiskError, match="refers to '/etc/shadow'"):
        attachable("data", tmp_path)
