# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers of a disk may go, on layers that qemu-img made."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from callao.drivers import driver_for
from callao.errors import SnapshotError
from callao.events import silent
from callao.host import Host
from callao.instances import InstancePaths
from callao.lifecycle.cleanup import remove_stale_files
from callao.lifecycle.snapshots import operations
from callao.snapshots import list_snapshots, sweep_layers, unreadable_snapshots

DRIVER = driver_for("qemu")


@pytest.fixture
def paths(tmp_path: Path) -> InstancePaths:
    """A stopped instance with the snapshots "first" and "second", the disk on the second."""
    paths = InstancePaths(tmp_path / "web")
    paths.dir.mkdir()
    paths.lima_yaml.write_text("images: [{location: /nowhere.qcow2}]\nvmType: qemu\narch: x86_64\n")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(paths.disk), "1M"], check=True)
    for name in ("first", "second"):
        take(paths, name)
    return paths


def take(paths: InstancePaths, name: str) -> None:
    home = paths.dir.parent
    operations.take(paths.name, name, home=home, host=Host.detect(), timeout=5, report=silent)


def delete(paths: InstancePaths, name: str) -> None:
    operations.delete(paths.name, name, home=paths.dir.parent, host=Host.detect(), timeout=5)


def layers(paths: InstancePaths) -> list[str]:
    return sorted(each.name for each in paths.dir.glob("disk.*"))


def test_what_nobody_stands_on_goes(paths: InstancePaths) -> None:
    before = layers(paths)
    staging = paths.dir / "disk.77"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(staging), "1M"], check=True)
    sweep_layers(paths, DRIVER.layers)
    assert layers(paths) == before


def test_what_stands_on_the_disk_may_be_what_a_machine_writes(paths: InstancePaths) -> None:
    top = next(each for each in paths.dir.glob("disk.*") if each.samefile(paths.disk))
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", top.name, "-F", "qcow2"]
    subprocess.run([*argv, str(paths.dir / "disk.77")], check=True)
    sweep_layers(paths, DRIVER.layers)
    assert (paths.dir / "disk.77").exists()


def test_only_a_number_after_the_disks_name_makes_a_layer(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1M"], check=True)
    others = ("disk.x", ".disk.1", "disk2.1", "disk.1.bak")
    for name in ("disk.1", "disk.12", *others):
        shutil.copyfile(disk, tmp_path / name)
    DRIVER.layers.sweep(disk, [])
    assert {each.name for each in tmp_path.iterdir()} == {"disk", *others}


@pytest.mark.parametrize("damage", ["", "{", '{"name": "first"}'])
def test_a_record_that_cannot_be_read_costs_no_layer(paths: InstancePaths, damage: str) -> None:
    record = paths.snapshots / "first" / "snapshot.json"
    good = record.read_text()
    record.write_text(damage)
    before = layers(paths)
    DRIVER.layers.revert({paths.disk: "disk.1"})  # now nothing but the record knows of the second layer
    sweep_layers(paths, DRIVER.layers)
    assert set(before) <= set(layers(paths))
    assert unreadable_snapshots(paths) == ["first"]
    with pytest.raises(SnapshotError, match=r"'first' of 'web': .*snapshot\.json cannot be read"):
        operations.find(paths, "first")
    with pytest.raises(SnapshotError, match="has a snapshot 'first' already"):
        take(paths, "first")
    record.write_text(good)
    assert [each.name for each in list_snapshots(paths)] == ["first", "second"]


def test_one_whose_record_cannot_be_read_can_be_deleted(paths: InstancePaths) -> None:
    (paths.snapshots / "second" / "snapshot.json").write_text("")
    delete(paths, "second")
    assert [each.name for each in paths.snapshots.iterdir()] == ["first"]


def test_one_that_is_half_made_is_none(paths: InstancePaths) -> None:
    (paths.snapshots / "second").rename(paths.snapshots / ".second.new")
    assert [each.name for each in list_snapshots(paths)] == ["first"]
    take(paths, "second")
    assert [each.name for each in list_snapshots(paths)] == ["first", "second"]


def test_a_run_that_is_killed_while_it_sets_back_leaves_the_firmwares_variables_whole(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.qemu_efi_vars.write_bytes(b"then")
    take(paths, "third")
    paths.qemu_efi_vars.write_bytes(b"now!")

    class Killed(BaseException):
        """As SIGKILL ends a run."""

    def half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:2])
        raise Killed

    home = paths.dir.parent
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", half)
        with pytest.raises(Killed):
            operations.apply("web", "third", home=home, host=Host.detect(), timeout=5, report=silent)
    assert paths.qemu_efi_vars.read_bytes() == b"now!"
    operations.apply("web", "third", home=home, host=Host.detect(), timeout=5, report=silent)
    assert paths.qemu_efi_vars.read_bytes() == b"then"


@pytest.mark.parametrize("left", [".first.new", ".first.deleting"])
def test_what_a_killed_run_has_left_goes_with_the_next_start_or_snapshot(
    paths: InstancePaths, left: str
) -> None:
    """It holds a machine's memory."""
    for each in (lambda: remove_stale_files(paths), lambda: take(paths, "third")):
        (paths.snapshots / left).mkdir()
        (paths.snapshots / left / "memory").write_bytes(b"x")
        each()
        assert not (paths.snapshots / left).exists()
    assert [each.name for each in list_snapshots(paths)] == ["first", "second", "third"]


def test_an_interrupted_run_removes_no_layer_of_a_machine(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host agent is inside the snapshot: the layer is there, and nothing on the disk says yet whose."""
    import os

    from callao.instances import Runtime
    from callao.instances.process_identity import identify
    from callao.instances.records import write_json

    me = identify(os.getpid())
    write_json(paths.runtime, Runtime(agent=me, driver=me, ready=True))

    def interrupted(*_: object, **__: object) -> None:
        (paths.dir / "disk.77").write_bytes(paths.disk.read_bytes())
        raise KeyboardInterrupt

    monkeypatch.setattr(operations, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        take(paths, "third")
    assert (paths.dir / "disk.77").exists()
    delete(paths, "second")
    assert (paths.dir / "disk.77").exists()
