# SPDX-License-Identifier: GPL-3.0-or-later
"""Saving and taking up a real QEMU that runs no guest: layers of its disk, its memory, its devices."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from callao.drivers.qemu import memory
from callao.drivers.qemu.devices import Disk, Monitor
from callao.drivers.qemu.disks import layers
from callao.drivers.qemu.disks.layer_store import Qcow2Layers
from callao.drivers.qemu.memory import MappedMemory, SharedMemory
from callao.drivers.qemu.migration import COMBINED, DEVICES, MEMORY
from callao.drivers.qemu.process import QemuMachine, launch
from callao.errors import DriverError
from callao.instances import InstancePaths
from callao.snapshots import sweep_layers

QEMU = shutil.which("qemu-system-x86_64") or "qemu-system-x86_64"
DEVICE = "/machine/peripheral-anon/device[0]/virtio-backend"
"""By which the guest would write."""
SIZE = 64 * 2**20
ADDRESS = 0x2000000
"""Of the guest, where nothing writes but us."""


@pytest.fixture
def paths() -> Iterator[InstancePaths]:
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as folder:
        made = InstancePaths(Path(folder))
        blank(made.disk)
        yield made


def blank(path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "16M"], check=True)


def io(path: Path, *commands: str) -> str:
    argv = ["qemu-io", "-f", "qcow2", *(word for each in commands for word in ("-c", each)), str(path)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


async def started(
    paths: InstancePaths, part: SharedMemory | MappedMemory, *words: str, inherited: tuple[int, ...] = ()
) -> QemuMachine:
    disk = layers.layer_name(paths.disk)
    argv = [QEMU, "-machine", "q35", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", *words]
    parts = (Disk("disk", disk, "qcow2"), part, Monitor(paths.qmp_sock))
    argv += [word for each in parts for word in each.argv()]
    return await launch(argv, paths, inherited=inherited, disk=disk)


async def human(machine: QemuMachine, line: str) -> str:
    return str(await machine._execute("human-monitor-command", {"command-line": line}))


async def ended(machine: QemuMachine) -> None:
    await machine.quit()
    await machine.wait()


async def write_memory(machine: QemuMachine, text: bytes) -> None:
    """By the same file that a save reads: the monitor has no command that writes."""
    for entry in Path(f"/proc/{machine.pid}/fd").iterdir():
        if "memfd:memory-backend" in str(entry.readlink()):
            with entry.open("r+b") as pages:
                pages.seek(ADDRESS)
                pages.write(text)


async def read_memory(machine: QemuMachine, length: int) -> bytes:
    said = await human(machine, f"xp /{length}xb {ADDRESS:#x}")
    return bytes(int(word, 16) for line in said.splitlines() for word in line.partition(":")[2].split())


async def saved(paths: InstancePaths, folder: Path) -> str:
    folder.mkdir()
    machine = await started(paths, SharedMemory(SIZE), "-S")
    await write_memory(machine, b"hello")
    try:
        layer = (await machine.save(folder)).layer
        await machine.resume()
        return layer
    finally:
        await ended(machine)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_machine_goes_on_from_the_memory_of_another(
    paths: InstancePaths, tmp_path: Path, mapped: bool
) -> None:
    folder = tmp_path / "s"

    async def play() -> None:
        await saved(paths, folder)
        before = (folder / MEMORY).read_bytes()
        with (folder / DEVICES).open("rb") as stream:
            copy = memory.copy_to_memfd(folder / MEMORY)
            part = MappedMemory(SIZE, folder / MEMORY) if mapped else SharedMemory(SIZE, copy)
            machine = await started(paths, part, "-incoming", "defer", inherited=(stream.fileno(), copy))
            os.close(copy)
            try:
                await machine.migration.restore(stream.fileno(), separate_memory=True)
                assert await read_memory(machine, 5) == b"hello"
                assert "paused" in await human(machine, "info status")
                await machine.resume()
                assert "running" in await human(machine, "info status")
            finally:
                await ended(machine)
        assert (folder / MEMORY).read_bytes() == before

    asyncio.run(play())


def test_one_with_private_memory_is_saved_whole_and_laid_apart_when_it_is_taken_up(
    paths: InstancePaths, tmp_path: Path
) -> None:
    folder, pages = tmp_path / "s", tmp_path / "pages"
    folder.mkdir()
    pages.write_bytes(bytes(ADDRESS) + b"hello")
    os.truncate(pages, SIZE)

    async def taken_up(*inherited: int, memory: MappedMemory | SharedMemory, separate_memory: bool) -> bytes:
        machine = await started(paths, memory, "-incoming", "defer", inherited=inherited)
        try:
            await machine.migration.restore(inherited[0], separate_memory=separate_memory)
            if not separate_memory:
                await machine.migration.split_files(folder)
            said = await read_memory(machine, 5)
            await machine.resume()
            assert "running" in await human(machine, "info status")
            return said
        finally:
            await ended(machine)

    async def play() -> None:
        machine = await started(paths, MappedMemory(SIZE, pages), "-S")
        try:
            await machine.save(folder)
        finally:
            await ended(machine)
        assert [path.name for path in folder.iterdir()] == [COMBINED]
        with (folder / COMBINED).open("rb") as stream:
            assert (
                await taken_up(stream.fileno(), memory=SharedMemory(SIZE), separate_memory=False) == b"hello"
            )
        assert {path.name for path in folder.iterdir()} == {DEVICES, MEMORY}
        with (folder / DEVICES).open("rb") as stream:
            mapped = MappedMemory(SIZE, folder / MEMORY)
            assert await taken_up(stream.fileno(), memory=mapped, separate_memory=True) == b"hello"

    asyncio.run(play())


def test_what_was_never_written_takes_no_room(tmp_path: Path) -> None:
    pages = os.memfd_create("pages")
    os.ftruncate(pages, SIZE)
    os.pwrite(pages, bytes(SIZE // 2), 0)  # the kernel has pages for it
    os.pwrite(pages, b"hello", ADDRESS)
    memory.copy_to_file(pages, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == os.pread(pages, SIZE, 0)
    assert (tmp_path / "out").stat().st_blocks * 512 <= 2**20
    os.close(pages)


def test_each_save_leaves_a_layer_with_what_was_written_until_then(
    paths: InstancePaths, tmp_path: Path
) -> None:
    async def play() -> list[str]:
        machine = await started(paths, SharedMemory(SIZE))
        left = []
        try:
            for number in (1, 2, 3):
                await human(machine, f'qemu-io -d {DEVICE} "write -P {number} {number}M 64k"')
                folder = tmp_path / str(number)
                folder.mkdir()
                left.append((await machine.save(folder)).layer)
                await machine.resume()
        finally:
            await ended(machine)
        return left

    first, second, third = (paths.dir / name for name in asyncio.run(play()))
    assert len({first, second, third}) == 3
    assert layers.backing_chain(third) == (second, first)
    assert layers.backing_chain(paths.disk) == (third, second, first)
    assert "verification failed" not in io(paths.disk, "read -P 1 1M 64k", "read -P 3 3M 64k")
    assert "verification failed" not in io(first, "read -P 1 1M 64k", "read -P 0 2M 64k")


def test_a_state_of_another_machine_is_refused_and_says_so(paths: InstancePaths, tmp_path: Path) -> None:
    folder = tmp_path / "s"

    async def play() -> None:
        await saved(paths, folder)
        with (folder / DEVICES).open("rb") as stream:
            words = ("-incoming", "defer", "-device", "virtio-rng-pci")
            copy = memory.copy_to_memfd(folder / MEMORY)
            machine = await started(
                paths, SharedMemory(SIZE, copy), *words, inherited=(stream.fileno(), copy)
            )
            os.close(copy)
            try:
                (folder / DEVICES).write_bytes(b"no state at all")
                await machine.migration.restore(stream.fileno(), separate_memory=True)
            finally:
                await machine.kill()
                await machine.wait()

    with pytest.raises(DriverError, match=r"state|monitor"):
        asyncio.run(play())


def test_a_save_without_room_is_refused_before_anything_is_written(
    paths: InstancePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        machine = await started(paths, SharedMemory(SIZE), "-S")
        await write_memory(machine, b"x" * 8192)
        try:
            with pytest.raises(DriverError, match=r"the memory takes .* GiB; .* GiB left"):
                await machine.save(tmp_path)
            await machine.resume()
        finally:
            await ended(machine)

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    asyncio.run(play())
    assert list(tmp_path.iterdir()) == []
    assert layers.backing_chain(paths.disk) == ()


def test_a_disk_keeps_its_second_name(paths: InstancePaths) -> None:
    first = layers.layer_name(paths.disk)
    assert layers.layer_name(paths.disk) == first
    fresh = layers.create_empty_layer(paths.disk)
    layers.activate(fresh, paths.disk)
    assert layers.layer_name(paths.disk) == fresh != first
    layers.revert(first, paths.disk)
    assert layers.backing_chain(paths.disk) == (first,)
    assert layers.layer_name(paths.disk) not in (first, fresh)


@pytest.mark.parametrize("again", [False, True])
def test_what_is_written_after_a_disk_could_not_be_renamed_is_not_lost(
    paths: InstancePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """The guest writes to the new layer already: it becomes the disk with the next save, or at the end."""

    def full(path: Path) -> None:
        raise DriverError(f"the disk {path} cannot be made anew: no space.")

    async def play() -> None:
        machine = await started(paths, SharedMemory(SIZE))
        try:
            with monkeypatch.context() as patch:
                patch.setattr(layers, "activate_staged", full)
                with pytest.raises(DriverError, match="cannot be made anew"):
                    await machine.save(folder(tmp_path / "1"))
            await machine.resume()
            await human(machine, f'qemu-io -d {DEVICE} "write -P 7 1M 64k"')
            sweep_layers(paths, Qcow2Layers())
            if again:
                await machine.save(folder(tmp_path / "2"))
                await machine.resume()
        finally:
            await ended(machine)

    asyncio.run(play())
    assert "verification failed" not in io(paths.disk, "read -P 7 1M 64k")
    assert len(layers.backing_chain(paths.disk)) == (2 if again else 1)


def test_a_layer_that_qemu_refuses_is_gone_and_the_next_save_works(
    paths: InstancePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        machine = await started(paths, SharedMemory(SIZE))
        execute = machine.migration.execute

        async def refusing(command: str, arguments: Mapping[str, object]) -> object:
            if command == "transaction":
                action = {"type": "blockdev-snapshot", "data": {"node": "no-such-node", "overlay": "none"}}
                arguments = {"actions": [action]}
            return await execute(command, arguments)

        try:
            with monkeypatch.context() as patch:
                patch.setattr(machine.migration, "execute", refusing)
                with pytest.raises(DriverError, match="no-such-node"):
                    await machine.save(folder(tmp_path / "1"))
            assert len(list(paths.dir.glob("disk.*"))) == 1
            await machine.resume()
            await machine.save(folder(tmp_path / "2"))
        finally:
            await ended(machine)

    asyncio.run(play())
    assert len(layers.backing_chain(paths.disk)) == 1


def folder(path: Path) -> Path:
    path.mkdir()
    return path
