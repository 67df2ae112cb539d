# SPDX-License-Identifier: GPL-3.0-or-later
"""A running QEMU: a child of the host agent, spoken to by QMP."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qemu.qmp import EventListener, Message, QMPClient, QMPError

from callao.atomic import write_volatile
from callao.config import VMType
from callao.drivers.base import DataDisk, DeviceShare, Forward, GuestNic, Left
from callao.drivers.qemu.datadisks import DiskPlug, Top
from callao.drivers.qemu.devices import NETDEV, rule
from callao.drivers.qemu.hotplug import HotPlug, Slot
from callao.drivers.qemu.migration import Migration
from callao.drivers.qemu.nics import NicPlug
from callao.errors import DriverError, PortTaken
from callao.instances import InstancePaths
from callao.system import die_with_parent, open_unix_socket

if TYPE_CHECKING:
    from callao.drivers.base import Channel

_PATIENCE = 30.0
"""Seconds for QEMU to open its monitor; a loaded host needs a few."""

_TAKEN = re.compile(r"Could not set up host forwarding rule '\w+:[^:]*:(\d+)-")


class QemuMachine:
    """The contracts of :class:`callao.drivers.base.Machine`, ``ShareHotPlugger``, ``DiskHotPlugger``,
    ``NicHotPlugger`` and ``StateSaver``."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        monitor: QMPClient,
        paths: InstancePaths,
        count: int,
        slots: Mapping[int, Slot],
        disk: Path,
        disks: Iterable[DataDisk] = (),
    ) -> None:
        self._process = process
        self._monitor = monitor
        self._paths = paths
        self._hotplug = HotPlug(paths, monitor, self._execute, count, dict(slots))
        self._disks = DiskPlug(self._execute, self._hotplug.free_slot, self._hotplug.delete_device)
        self._disks.began_with(disks)
        self._nics = NicPlug(
            self._execute, self._hotplug.free_slot, self._hotplug.delete_device, monitor.send_fd_scm
        )
        self._hotplug.others = lambda: {*self._disks.slots(), *self._nics.slots()}
        own = Top(paths.disk, disk, ["disk"])
        self.migration = Migration(paths, monitor, self._execute, process.pid, own, self._disks.attached)
        self._pauses = EventListener("BLOCK_IO_ERROR", _is_pause)
        monitor.register_listener(self._pauses)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        status = await self._process.wait()
        # It hears here that QEMU has gone; unheard, asyncio would complain of that at any later time.
        with contextlib.suppress(QMPError, OSError, EOFError):
            await self._monitor.disconnect()
        await self._hotplug.close()
        with contextlib.suppress(DriverError):
            self.migration.settle()
        return status

    async def save(self, folder: Path) -> Left:
        return await self.migration.save(folder)

    async def resume(self) -> None:
        await self.migration.resume()

    async def out_of_space(self) -> None:
        await self._pauses.get()
        self._pauses.clear()  # each request that waits for space has its own

    async def plug_share(self, share: DeviceShare) -> None:
        await self._hotplug.plug(share)

    async def unplug_share(self, tag: str) -> None:
        await self._hotplug.unplug(tag)

    async def plug_disk(self, disk: DataDisk) -> None:
        await self._disks.plug(disk)

    async def unplug_disk(self, name: str) -> None:
        await self._disks.unplug(name)

    def data_disks(self) -> tuple[DataDisk, ...]:
        return tuple(each.disk for each in self._disks.attached.values())

    async def plug_nic(self, nic: GuestNic, stream: int) -> None:
        await self._nics.plug(nic, stream)

    async def relink_nic(self, interface: str, stream: int) -> None:
        await self._nics.relink(interface, stream)

    async def unplug_nic(self, interface: str) -> None:
        await self._nics.unplug(interface)

    async def power_button(self) -> None:
        await self._execute("system_powerdown")

    async def quit(self) -> None:
        await self._execute("quit")

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def channel(self) -> Channel:
        return await open_unix_socket(self._paths.ga_sock)

    async def add_forward(self, forward: Forward) -> None:
        said = await self._human(f"hostfwd_add {NETDEV} {rule(forward)}-:{forward.guest_port}")
        if said:
            raise PortTaken(
                f"portForwards: {forward.proto} port {forward.host_port} on {forward.host_ip} cannot be "
                f"forwarded: {said}",
                hint="Choose another host port, or stop who has it.",
                port=forward.host_port,
            )

    async def remove_forward(self, forward: Forward) -> None:
        said = await self._human(f"hostfwd_remove {NETDEV} {rule(forward)}")
        if "removed" not in said and "not found" not in said:
            raise DriverError(f"portForwards: {rule(forward)} cannot be removed: {said}")

    async def _human(self, line: str) -> str:
        """Only the human monitor knows host forwards; it answers in text, and with none when all is well."""
        return str(await self._execute("human-monitor-command", {"command-line": line})).strip()

    async def _execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        try:
            return await self._monitor.execute(command, dict(arguments or {}))
        except (QMPError, OSError, EOFError) as error:
            raise DriverError(f"QEMU's monitor refuses {command!r}: {error}") from error


async def launch(
    argv: list[str],
    paths: InstancePaths,
    *,
    count: int = 0,
    slots: Mapping[int, Slot] | None = None,
    inherited: Sequence[int] = (),
    disk: Path | None = None,
    disks: Sequence[DataDisk] = (),
) -> QemuMachine:
    """Start QEMU in a session of its own; returns when its monitor answers.

    :param count: slots for shares that the command line has.
    :param slots: those that have one, to be ended with the machine.
    :param disk: the name by which the command line has the instance's disk, where it is another.
    :param disks: the additional disks that the command line has.
    :param inherited: descriptors of ours that the command line, or the monitor later, names.
    :raises PortTaken: when a host port of the command line cannot be bound.
    :raises DriverError: with QEMU's own words when it ends or hangs.
    """
    paths.qmp_sock.unlink(missing_ok=True)
    for each in (paths.qemu_log, paths.serial_log):
        each.unlink(missing_ok=True)
    with paths.qemu_log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(),
            start_new_session=True,
            pass_fds=inherited,
        )
    try:
        write_volatile(paths.driver_pid(VMType.QEMU), f"{process.pid}\n".encode())
        monitor = await _monitor(process, paths)
        return QemuMachine(process, monitor, paths, count, slots or {}, disk or paths.disk, disks)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        paths.driver_pid(VMType.QEMU).unlink(missing_ok=True)
        raise


async def _monitor(process: asyncio.subprocess.Process, paths: InstancePaths) -> QMPClient:
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while process.returncode is None:
        if asyncio.get_running_loop().time() > deadline:
            raise DriverError(f"QEMU opened no monitor within {_PATIENCE:.0f} s: {_log(paths)}")
        if paths.qmp_sock.exists():
            client = QMPClient(f"lima-{paths.name}")
            try:
                await client.connect(str(paths.qmp_sock))
            except (QMPError, OSError, EOFError):
                await asyncio.sleep(0.02)
                continue
            return client
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process.wait()), 0.02)
    words = _log(paths)
    taken = _TAKEN.search(words)
    if taken:
        port = int(taken.group(1))
        raise PortTaken(f"portForwards: port {port} of the host is taken: {words}", port=port)
    raise DriverError(f"QEMU ended with status {process.returncode}: {words}")


def _is_pause(event: Message) -> bool:
    """By its default QEMU pauses for lack of space, and tells the guest of any other error."""
    data = event.get("data")
    return isinstance(data, Mapping) and data.get("action") == "stop"


def _log(paths: InstancePaths) -> str:
    return paths.qemu_log.read_text(encoding="utf-8", errors="replace").strip() or "it said nothing"
