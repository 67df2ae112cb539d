# SPDX-License-Identifier: GPL-3.0-or-later
"""Additional disks of a real QEMU that runs no guest: attached at its start or later, and left behind."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from callao.drivers.base import DataDisk, FrozenLayers
from callao.drivers.qemu.devices import Disk, Monitor
from callao.drivers.qemu.disks import layers
from callao.drivers.qemu.disks.data_disks import DataDiskOptions, device_id, with_layer_name
from callao.drivers.qemu.hotplug.slots import root_port_id
from callao.drivers.qemu.memory import SharedMemory
from callao.drivers.qemu.process import QemuMachine, launch
from callao.errors import DriverError
from callao.instances import InstancePaths

QEMU = shutil.which("qemu-system-x86_64") or "qemu-system-x86_64"
SLOTS = 3
SIZE = 64 * 2**20


@pytest.fixture
def paths() -> Iterator[InstancePaths]:
    with tempfile.TemporaryDirectory(prefix="d-", dir="/tmp") as folder:
        made = InstancePaths(Path(folder) / "web")
        made.dir.mkdir()
        blank(made.disk)
        yield made


def blank(path: Path, form: str = "qcow2") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", form, str(path), "16M"], check=True)


def data(paths: InstancePaths, name: str, form: str = "qcow2", slot: int = -1) -> DataDisk:
    image = paths.dir.parent / "_disks" / name / "datadisk"
    if not image.exists():
        blank(image, form)
    return DataDisk(name, image, form, f"lima-{name}", slot)


async def started(paths: InstancePaths, *disks: DataDisk) -> QemuMachine:
    own = layers.layer_name(paths.disk)
    argv = [QEMU, "-machine", "q35", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-S"]
    for slot in range(SLOTS):
        argv += ["-device", f"pcie-root-port,id={root_port_id(slot)},chassis={slot + 1},slot={slot + 1}"]
    named = DataDiskOptions(tuple(with_layer_name(each) for each in disks))
    parts = (Disk("disk", own, "qcow2"), SharedMemory(SIZE), named, Monitor(paths.qmp_sock))
    argv += [word for each in parts for word in each.argv()]
    return await launch(argv, paths, slot_count=SLOTS, disk=own, disks=disks)


async def write(machine: QemuMachine, slot: int, pattern: int) -> None:
    """As the guest would."""
    line = f'qemu-io -d /machine/peripheral/{device_id(slot)}/virtio-backend "write -P {pattern} 0 64k"'
    await machine._execute("human-monitor-command", {"command-line": line})


def holds(path: Path, pattern: int) -> bool:
    argv = ["qemu-io", "-f", "qcow2", "-c", f"read -P {pattern} 0 64k", str(path)]
    return (
        "verification failed" not in subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    )


async def ended(machine: QemuMachine) -> None:
    await machine.quit()
    await machine.wait()


def test_disks_are_found_by_serial_and_take_the_slots_that_are_free(paths: InstancePaths) -> None:
    async def play() -> None:
        machine = await started(paths, data(paths, "one", slot=1))
        try:
            await machine.plug_disk(data(paths, "two", "raw"))
            await machine.plug_disk(data(paths, "three"))
            assert [each.slot for each in machine.data_disks()] == [1, 0, 2]
            with pytest.raises(DriverError, match=r"additionalDisks: four: all slots .* are taken"):
                await machine.plug_disk(data(paths, "four"))
            with pytest.raises(DriverError, match="there is no disk 'four'"):
                await machine.unplug_disk("four")
            told = await machine._execute("human-monitor-command", {"command-line": "info qtree"})
            for name in ("one", "two", "three"):
                assert f'serial = "lima-{name}"' in str(told)
        finally:
            await ended(machine)

    asyncio.run(play())


def test_a_disk_that_qemu_refuses_leaves_nothing(paths: InstancePaths) -> None:
    async def play() -> None:
        machine = await started(paths)
        try:
            for _ in range(2):
                with pytest.raises(DriverError, match="blockdev-add"):
                    await machine.plug_disk(replace(data(paths, "one", "raw"), image=Path("/none")))
            assert machine.data_disks() == ()
            nodes = json.dumps(await machine._execute("query-named-block-nodes"))
            assert "data0" not in nodes
            await machine.plug_disk(data(paths, "two"))
        finally:
            await ended(machine)

    asyncio.run(play())


def test_all_disks_are_left_at_one_moment_and_written_on_top(paths: InstancePaths, tmp_path: Path) -> None:
    one, two = data(paths, "one", slot=0), data(paths, "two")
    kept: list[tuple[FrozenLayers, int]] = []

    async def play() -> None:
        machine = await started(paths, one)
        try:
            await machine.plug_disk(two)
            for slot in (0, 1):
                await write(machine, slot, 1)
            for number, folder in enumerate((tmp_path / "a", tmp_path / "b"), 2):
                folder.mkdir()
                left = await machine.save(folder)
                assert left.disks.keys() == {"one", "two"}
                await machine.resume()
                for slot in (0, 1):
                    await write(machine, slot, number)
                kept.append((left, number - 1))
        finally:
            await ended(machine)

    asyncio.run(play())
    for left, number in kept:
        for disk in (one, two):
            assert holds(disk.image.with_name(left.disks[disk.name]), number)
    for image in (one.image, two.image):
        assert holds(image, 3)
        assert len(layers.backing_chain(image)) == 2
    assert len(layers.backing_chain(paths.disk)) == 2


def test_a_raw_disk_keeps_all_from_being_left(paths: InstancePaths, tmp_path: Path) -> None:
    async def play() -> None:
        machine = await started(paths, data(paths, "one", slot=0), data(paths, "two", "raw", slot=1))
        try:
            with pytest.raises(DriverError, match="two: a raw disk cannot be kept in a snapshot"):
                await machine.save(tmp_path)
        finally:
            await ended(machine)

    asyncio.run(play())
    assert list(tmp_path.iterdir()) == []
    assert layers.backing_chain(paths.disk) == layers.backing_chain(data(paths, "one").image) == ()


def test_stopped_disks_are_left_and_returned_to_all_or_none(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [paths.disk, data(paths, "one").image, data(paths, "two").image]
    first = layers.freeze_all(images)
    before = [image.stat().st_ino for image in images]
    settle, calls = layers.activate_staged, []

    def failing(path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise DriverError("no space")
        settle(path)

    for change in (
        lambda: layers.freeze_all(images),
        lambda: layers.revert_all(
            [(image.with_name(name), image) for name, image in zip(first, images, strict=True)]
        ),
    ):
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(layers, "activate_staged", failing)
            with pytest.raises(DriverError, match="no space"):
                change()
        assert [image.stat().st_ino for image in images] == before
    assert [len(layers.backing_chain(image)) for image in images] == [1, 1, 1]
