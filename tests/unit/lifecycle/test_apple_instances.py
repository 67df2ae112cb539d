# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of macOS's drivers that are off: made of a qcow2 image, snapshots of their disk, clones."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from callao.config import dump
from callao.drivers.apple import short_folder
from callao.drivers.apple.files import efi_store
from callao.events import silent
from callao.host import Host
from callao.instances import InstancePaths, inspect
from callao.lifecycle import Request, ensure
from callao.lifecycle.rename import rename
from callao.lifecycle.snapshots import operations

HOST = Host.detect()
SIZE = 2**20


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With ``box``, a stopped instance of vz."""
    program = tmp_path / "bin" / "vfkit"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho vfkit version: v0.6.4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    raw, image = tmp_path / "raw", tmp_path / "image.qcow2"
    raw.write_bytes(b"as shipped" + b"\0" * (SIZE // 2))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)], check=True)
    document = {"images": [{"location": str(image)}], "vmType": "vz", "disk": "1MiB", "memory": "1GiB"}
    template = tmp_path / "box.yaml"
    template.write_text(dump({**document, "containerd": {"user": False}}))
    request = Request(name="box", template=str(template), state="present")
    with tempfile.TemporaryDirectory(prefix="v-", dir="/tmp") as folder:  # sockets have short names
        ensure(request, home=Path(folder), host=HOST, check=False, report=silent)
        yield Path(folder)


def test_its_disk_is_raw_and_has_the_size_that_was_asked_for(home: Path) -> None:
    disk = InstancePaths(home / "box").disk
    assert (disk.stat().st_size, disk.read_bytes()[:10]) == (SIZE, b"as shipped")


def test_a_clone_has_the_disk_and_the_firmware_s_variables_and_a_key_of_its_own(home: Path) -> None:
    box, copy = (InstancePaths(home / name) for name in ("box", "copy"))
    box.disk.write_bytes(b"written by the guest")
    efi_store(box).write_bytes(b"variables")
    ensure(
        Request(name="copy", origin="box", state="present"),
        home=home, host=HOST, check=False, report=silent,
    )  # fmt: skip
    box.disk.write_bytes(b"written since")
    assert copy.disk.read_bytes() == b"written by the guest"
    assert efi_store(copy).read_bytes() == b"variables"
    assert copy.host_key.read_bytes() != box.host_key.read_bytes()
    config = inspect("copy", home, HOST).config
    assert config is not None
    assert config.vm_type == "vz"


def test_a_snapshot_of_a_stopped_one_is_its_disk_and_can_be_returned_to(home: Path) -> None:
    paths = InstancePaths(home / "box")
    options = {"home": home, "host": HOST}
    paths.disk.write_bytes(b"before")
    made = operations.take("box", "good", **options, timeout=10, report=silent)
    paths.disk.write_bytes(b"broken since")
    operations.apply("box", "good", **options, timeout=10, report=silent)
    assert made.machine is None
    assert paths.disk.read_bytes() == b"before"
    ensure(
        Request(name="other", origin="box@good", state="present"),
        home=home, host=HOST, check=False, report=silent,
    )  # fmt: skip
    assert InstancePaths(home / "other").disk.read_bytes() == b"before"
    operations.delete("box", "good", **options, timeout=10)
    assert [each.name for each in paths.dir.glob("disk*")] == ["disk"]


def test_sockets_that_a_killed_host_agent_has_left_go_with_the_name_and_with_the_instance(
    home: Path,
) -> None:
    box = InstancePaths(home / "box")
    folder = short_folder.make(box)
    rename(inspect("box", home, HOST), "other", home=home)
    assert not folder.exists()
    other = short_folder.make(InstancePaths(home / "other"))
    request = Request(name="other", state="absent")
    ensure(request, home=home, host=HOST, check=False, report=silent)
    assert not other.exists()
