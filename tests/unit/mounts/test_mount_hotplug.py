# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots of a real QEMU that runs no guest: given, full, given back when a device is refused."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callao.config import MountType
from callao.drivers import DeviceShare
from callao.drivers.qemu.devices import Monitor
from callao.drivers.qemu.hotplug import shares, virtiofsd
from callao.drivers.qemu.hotplug.shares import SharePlug
from callao.drivers.qemu.hotplug.slots import SlotOptions, export_link, virtiofsd_socket
from callao.drivers.qemu.hotplug.virtiofsd import Virtiofsd
from callao.drivers.qemu.memory import SharedMemory
from callao.drivers.qemu.process import QemuMachine, launch
from callao.errors import DriverError
from callao.instances import InstancePaths

SLOTS = 8
QEMU = shutil.which("qemu-system-x86_64") or "qemu-system-x86_64"
Play = Callable[[QemuMachine], Awaitable[None]]


@pytest.fixture
def paths() -> Iterator[InstancePaths]:
    with tempfile.TemporaryDirectory(prefix="h-", dir="/tmp") as folder:
        yield InstancePaths(Path(folder))


def share(index: int, location: Path, **fields: Any) -> DeviceShare:
    return replace(DeviceShare(f"lima-{index}", MountType.P9, str(location)), **fields)


def played(paths: InstancePaths, play: Play) -> None:
    """``play`` with a machine that is never set off."""
    argv = [QEMU, "-machine", "q35", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-S"]
    parts = (SharedMemory(64 * 2**20), SlotOptions(paths, SLOTS), Monitor(paths.qmp_sock))

    async def run() -> None:
        words = [*argv, *(word for part in parts for word in part.argv())]
        machine = await launch(words, paths, slot_count=SLOTS)
        try:
            await play(machine)
        finally:
            await machine.quit()
            await machine.wait()

    asyncio.run(run())


async def devices(machine: QemuMachine) -> str:
    """What the machine has on its ports."""
    return str(await machine._execute("human-monitor-command", {"command-line": "info qtree"}))


def links(paths: InstancePaths) -> dict[int, str]:
    each = {slot: export_link(paths, slot) for slot in range(SLOTS)}
    return {slot: str(path.readlink()) for slot, path in each.items() if path.is_symlink()}


def test_each_share_takes_a_slot_and_the_ninth_is_told(paths: InstancePaths, tmp_path: Path) -> None:
    async def play(machine: QemuMachine) -> None:
        for index in range(SLOTS):
            await machine.plug_share(share(index, tmp_path, writable=index % 2 == 0))
        tree = await devices(machine)
        for index in range(SLOTS):
            assert f'mount_tag = "lima-{index}"' in tree
            assert f'fsdev = "hot{index}{"rw" if index % 2 == 0 else "ro"}"' in tree
        with pytest.raises(DriverError, match=r"all 8 slots .* are taken.*reverse-sshfs, which needs none"):
            await machine.plug_share(share(8, tmp_path))
        assert links(paths) == dict.fromkeys(range(SLOTS), str(tmp_path))

    played(paths, play)


def test_nothing_is_left_when_the_machine_is_gone(paths: InstancePaths, tmp_path: Path) -> None:
    async def play(machine: QemuMachine) -> None:
        await machine.plug_share(share(0, tmp_path))
        assert links(paths) == {0: str(tmp_path)}

    played(paths, play)
    assert links(paths) == {}


def test_a_refused_device_leaves_its_slot_free(paths: InstancePaths, tmp_path: Path) -> None:
    async def play(machine: QemuMachine) -> None:
        with pytest.raises(DriverError, match="monitor refuses 'device_add'"):
            await machine.plug_share(share(0, tmp_path, tag="longer than any tag can be" * 2))
        assert links(paths) == {}
        with pytest.raises(DriverError, match="device_add"):  # QEMU cannot open it: the link leads nowhere
            await machine.plug_share(share(1, tmp_path / "none"))
        assert links(paths) == {}
        await machine.plug_share(share(2, tmp_path))
        assert links(paths) == {0: str(tmp_path)}
        assert "longer than" not in await devices(machine)

    played(paths, play)


def test_a_directory_with_any_name_can_be_had(paths: InstancePaths, tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s, "a" b\\é'
    folder.mkdir()

    async def play(machine: QemuMachine) -> None:
        await machine.plug_share(share(0, folder))
        assert links(paths) == {0: str(folder)}

    played(paths, play)


def test_what_was_never_given_cannot_be_taken(paths: InstancePaths) -> None:
    async def play(machine: QemuMachine) -> None:
        with pytest.raises(DriverError, match="no device 'lima-0' that could be removed"):
            await machine.unplug_share("lima-0")

    played(paths, play)


def test_one_that_the_guest_keeps_stays_taken(
    paths: InstancePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No guest runs, so nobody lets the device go."""
    monkeypatch.setattr(shares, "_UNPLUG_TIMEOUT", 0.1)

    async def play(machine: QemuMachine) -> None:
        await machine.plug_share(share(0, tmp_path))
        with pytest.raises(DriverError, match=r"did not let .* go within.*still mounted there"):
            await machine.unplug_share("lima-0")
        assert links(paths) == {0: str(tmp_path)}
        await machine.plug_share(share(1, tmp_path))
        assert sorted(links(paths)) == [0, 1]

    played(paths, play)


DAEMON = """\
import socket, sys, time
path = next(word for word in sys.argv if word.startswith("--socket-path=")).partition("=")[2]
with socket.socket(socket.AF_UNIX) as server:
    server.bind(path)
    server.listen()
    time.sleep(600)
"""
"""Opens its socket and never answers."""


def daemon(folder: Path, text: str) -> Virtiofsd:
    path = folder / "virtiofsd"
    path.write_text(text)
    path.chmod(0o755)
    return Virtiofsd(str(path), is_rust=True, has_readonly_option=True)


def test_a_virtiofs_device_that_is_refused_takes_its_daemon_and_chardev_along(
    paths: InstancePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = daemon(tmp_path, f"#!{sys.executable}\n{DAEMON}")
    monkeypatch.setattr(virtiofsd, "find", lambda: program)
    asked: list[str] = []
    started: list[asyncio.subprocess.Process] = []
    serve = virtiofsd.start

    async def spy(*arguments: Any) -> asyncio.subprocess.Process:
        started.append(await serve(*arguments))
        return started[-1]

    monkeypatch.setattr(virtiofsd, "start", spy)

    async def execute(command: str, _arguments: Mapping[str, object]) -> object:
        asked.append(command)
        if command == "device_add":
            raise DriverError("no such device")
        return {}

    async def play() -> None:
        monitor: Any = None
        hot = SharePlug(paths, monitor, execute, SLOTS)
        with pytest.raises(DriverError, match="no such device"):
            await hot.plug(share(0, tmp_path, type=MountType.VIRTIOFS))
        assert hot.slots == {}

    asyncio.run(play())
    assert asked == ["chardev-add", "device_add", "chardev-remove"]
    assert [each.returncode is not None for each in started] == [True]
    assert not virtiofsd_socket(paths, 0).exists()
    assert list(paths.dir.iterdir()) == []


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("#!/bin/sh\necho cannot do that >&2; exit 1\n", "does not start: cannot do that"),
        ("", "no virtiofsd"),
    ],
)
def test_a_virtiofsd_that_does_not_start_says_why_and_leaves_the_slot(
    paths: InstancePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    found = daemon(tmp_path, program) if program else None
    monkeypatch.setattr(virtiofsd, "find", lambda: found)

    async def execute(_command: str, _arguments: Mapping[str, object]) -> object:
        return {}

    async def play() -> None:
        monitor: Any = None
        hot = SharePlug(paths, monitor, execute, SLOTS)
        with pytest.raises(DriverError, match=words):
            await hot.plug(share(0, tmp_path, type=MountType.VIRTIOFS))
        assert hot.slots == {}

    asyncio.run(play())
    assert not virtiofsd_socket(paths, 0).exists()
