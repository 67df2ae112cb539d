# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a stopped instance with additional disks: all of them, from one moment, or none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from callao.config import dump
from callao.disks import DiskPaths
from callao.disks.change import create
from callao.disks.ownership import owner_of
from callao.drivers.qemu.disks import layers
from callao.drivers.qemu.disks.layer_store import Qcow2Layers
from callao.errors import CallaoError, DiskInUse, DiskNotFound, SnapshotError
from callao.events import silent
from callao.host import Host
from callao.hostagent.disks import claim_disks
from callao.images.formats import ImageFormat
from callao.instances import InstancePaths
from callao.lifecycle.snapshots import operations
from callao.snapshots import list_snapshots

HOST = Host.detect()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With the stopped instance "web", and its disks "one" and "two"."""
    for name in ("one", "two"):
        create(name, tmp_path, size=2**20, form=ImageFormat.QCOW2)
    instance(tmp_path, "web", "one", "two")
    return tmp_path


def instance(home: Path, name: str, *disks: str) -> InstancePaths:
    paths = InstancePaths(home / name)
    paths.dir.mkdir(exist_ok=True)
    images = [{"location": "/nowhere.qcow2"}]
    document = {"images": images, "vmType": "qemu", "arch": "x86_64", "additionalDisks": list(disks)}
    paths.lima_yaml.write_text(dump(document))
    if not paths.disk.exists():
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(paths.disk), "1M"], check=True)
    return paths


def image(home: Path, name: str) -> Path:
    return DiskPaths.of(name, home).image


def every(home: Path) -> list[Path]:
    return [home / "web" / "disk", image(home, "one"), image(home, "two")]


def write(path: Path, pattern: int) -> None:
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} 0 512", str(path)], check=True)


def holds(path: Path, pattern: int) -> bool:
    argv = ["qemu-io", "-f", "qcow2", "-c", f"read -P {pattern} 0 512", str(path)]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def take(home: Path, name: str, of: str = "web") -> None:
    operations.take(of, name, home=home, host=HOST, timeout=5, report=silent)


def apply(home: Path, name: str) -> None:
    operations.apply("web", name, home=home, host=HOST, timeout=5, report=silent)


def delete(home: Path, name: str) -> None:
    operations.delete("web", name, home=home, host=HOST, timeout=5)


def kept(home: Path, name: str) -> list[str]:
    return sorted(each.name for each in DiskPaths.of(name, home).dir.glob("datadisk.*"))


def test_all_disks_return_to_each_moment_and_their_layers_go_with_the_last(home: Path) -> None:
    take(home, "a")
    for path in every(home):
        write(path, 2)
    take(home, "b")
    for name, pattern in (("a", 0), ("b", 2)):
        apply(home, name)
        assert all(holds(path, pattern) for path in every(home))
        assert owner_of(DiskPaths.of("one", home)) is None
    delete(home, "a")
    apply(home, "b")
    delete(home, "b")
    for name in ("one", "two"):
        # The disk itself, and what it stands on; nothing of the branch that was left.
        assert len(kept(home, name)) == 1 + len(layers.backing_chain(image(home, name)))


def test_layers_that_a_snapshot_of_another_instance_needs_stay(home: Path) -> None:
    take(home, "a")
    instance(home, "web", "two")
    instance(home, "db", "one")
    take(home, "of-db", "db")
    instance(home, "db")
    instance(home, "web", "one", "two")
    delete(home, "a")
    (of_db,) = list_snapshots(InstancePaths(home / "db"))
    assert (DiskPaths.of("one", home).dir / of_db.disks["one"]).exists()


def test_layers_of_an_instance_that_is_gone_go_when_the_disk_is_attached(home: Path) -> None:
    for name in ("a", "b"):
        take(home, name)
    assert len(kept(home, "one")) == 3
    shutil.rmtree(home / "web")
    layers.revert(image(home, "one").with_name("datadisk.1"), image(home, "one"))
    (home / "db").mkdir()
    (disk,) = claim_disks({"one": 0}, InstancePaths(home / "db"), Qcow2Layers())
    assert (disk.name, disk.slot) == ("one", 0)
    assert len(kept(home, "one")) == 2
    assert owner_of(DiskPaths.of("one", home)) == home / "db"


def test_a_disk_that_cannot_be_kept_keeps_all_from_it(home: Path) -> None:
    create("raw", home, size=2**20, form=ImageFormat.RAW)
    for disks, error, words in (
        (("one", "raw"), SnapshotError, "its disk 'raw' is raw, and only qcow2 can be kept"),
        (("one", "none"), DiskNotFound, "disk 'none' does not exist"),
    ):
        instance(home, "web", *disks)
        with pytest.raises(error, match=words):
            take(home, "no")
    instance(home, "web", "one", "two")
    instance(home, "db", "two")
    with pytest.raises(SnapshotError, match=r"db list its disk 'two', too, and a return"):
        take(home, "no")
    assert list_snapshots(InstancePaths(home / "web")) == []
    assert [layers.backing_chain(path) for path in every(home)] == [(), (), ()]


@pytest.mark.parametrize(
    ("disks", "words"),
    [
        (("one",), r"additionalDisks were one, two, and are one\. List the same"),
        ((), r"additionalDisks were one, two, and are none"),
    ],
)
def test_other_disks_than_then_are_refused(home: Path, disks: tuple[str, ...], words: str) -> None:
    take(home, "a")
    instance(home, "web", *disks)
    before = [path.stat().st_ino for path in every(home)]
    with pytest.raises(SnapshotError, match=words):
        apply(home, "a")
    assert [path.stat().st_ino for path in every(home)] == before


def test_a_disk_of_the_same_name_that_is_another_is_refused(home: Path) -> None:
    take(home, "a")
    for path in DiskPaths.of("one", home).dir.iterdir():
        path.unlink()
    DiskPaths.of("one", home).dir.rmdir()
    create("one", home, size=2**20, form=ImageFormat.QCOW2)
    with pytest.raises(SnapshotError, match="disk 'one' is another one by now, without the layer"):
        apply(home, "a")


def test_a_disk_that_another_machine_has_is_not_touched(home: Path) -> None:
    import os

    from callao.instances import Runtime
    from callao.instances.process_identity import identify
    from callao.instances.records import write_json

    take(home, "a")
    me = identify(os.getpid())
    (home / "db").mkdir()
    write_json(InstancePaths(home / "db").runtime, Runtime(agent=me, driver=me, ready=True))
    DiskPaths.of("one", home).owner.symlink_to(home / "db")
    before = image(home, "one").stat().st_ino
    for change in (lambda: apply(home, "a"), lambda: take(home, "b")):
        with pytest.raises(DiskInUse, match="in use by instance 'db'"):
            change()
    assert image(home, "one").stat().st_ino == before


def test_no_instance_begins_at_a_snapshot_with_disks(home: Path) -> None:
    from callao.lifecycle import Request, ensure

    take(home, "a")
    with pytest.raises(
        CallaoError, match=r"has additional disks \(one, two\), which belong to that instance"
    ):
        ensure(
            Request(name="db", state="present", origin="web@a"),
            home=home,
            host=HOST,
            check=False,
            report=silent,
        )
    assert not (home / "db").exists()
