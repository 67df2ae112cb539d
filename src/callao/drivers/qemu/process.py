# SPDX-License-Identifier: GPL-3.0-or-later
"""A running QEMU: a child process of the host agent, controlled by QMP."""

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
from callao.drivers.base import DataDisk, DeviceShare, Forward, FrozenLayers, GuestNic
from callao.drivers.qemu.devices import NETDEV, forward_rule
from callao.drivers.qemu.disks.data_disks import DataDiskPlug, DiskTop
from callao.drivers.qemu.hotplug.nics import NicPlug
from callao.drivers.qemu.hotplug.shares import SharePlug, UsedSlot
from callao.drivers.qemu.migration import Migration
from callao.errors import DriverError, PortTaken
from callao.instances import InstancePaths
from callao.system import die_with_parent, open_unix_socket

if TYPE_CHECKING:
    from callao.drivers.base import Channel

_MONITOR_TIMEOUT = 30.0
"""Seconds for QEMU to open its monitor; on a busy host it takes a few."""

_PORT_TAKEN = re.compile(r"Could not set up host forwarding rule '\w+:[^:]*:(\d+)-")


class QemuMachine:
    """The contracts of :class:`callao.drivers.base.Machine`, ``ShareHotPlugger``, ``DiskHotPlugger``,
    ``NicHotPlugger``, ``StateSaver`` and ``ScreenReader``."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        monitor: QMPClient,
        paths: InstancePaths,
        slot_count: int,
        used_slots: Mapping[int, UsedSlot],
        disk: Path,
        disks: Iterable[DataDisk] = (),
    ) -> None:
        self._process = process
        self._monitor = monitor
        self._paths = paths
        self._shares = SharePlug(paths, monitor, self._execute, slot_count, dict(used_slots))
        self._disks = DataDiskPlug(self._execute, self._shares.free_slot, self._shares.delete_device)
        self._disks.set_initial(disks)
        self._nics = NicPlug(
            self._execute, self._shares.free_slot, self._shares.delete_device, monitor.send_fd_scm
        )
        self._shares.other_slots = lambda: {*self._disks.used_slots(), *self._nics.used_slots()}
        own_disk = DiskTop(paths.disk, disk, ["disk"])
        self.migration = Migration(
            paths, monitor, self._execute, process.pid, own_disk, self._disks.attached
        )
        self._pauses = EventListener("BLOCK_IO_ERROR", _is_out_of_space)
        monitor.register_listener(self._pauses)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        status = await self._process.wait()
        # Closes the QMP socket when QEMU exits, because asyncio logs an unhandled exception otherwise.
        with contextlib.suppress(QMPError, OSError, EOFError):
            await self._monitor.disconnect()
        await self._shares.close()
        with contextlib.suppress(DriverError):
            self.migration.repair_names()
        return status

    async def save(self, folder: Path) -> FrozenLayers:
        return await self.migration.save(folder)

    async def resume(self) -> None:
        self._pauses.clear()  # those of the pause that ends
        await self.migration.resume()

    async def wait_out_of_space(self) -> None:
        if not await self._has_paused():
            await self._pauses.get()
        self._pauses.clear()  # QEMU sends an event for each request that waits for space

    async def _has_paused(self) -> bool:
        """Whether it has paused for lack of disk space: nobody is told what happened before the monitor was
        connected to.
        """
        with contextlib.suppress(DriverError):  # the machine has ended
            status = await self._execute("query-status")
            return isinstance(status, Mapping) and status.get("status") == "io-error"
        return False

    async def plug_share(self, share: DeviceShare) -> None:
        await self._shares.plug(share)

    async def unplug_share(self, tag: str) -> None:
        await self._shares.unplug(tag)

    async def plug_disk(self, disk: DataDisk) -> None:
        await self._disks.plug(disk)

    async def unplug_disk(self, name: str) -> None:
        await self._disks.unplug(name)

    def data_disks(self) -> tuple[DataDisk, ...]:
        return tuple(each.disk for each in self._disks.attached.values())

    async def plug_nic(self, nic: GuestNic, stream: int) -> None:
        await self._nics.plug(nic, stream)

    async def relink_nic(self, interface: str, stream: int) -> None:
        await self._nics.reconnect(interface, stream)

    async def unplug_nic(self, interface: str) -> None:
        await self._nics.unplug(interface)

    async def write_screen(self, file: Path) -> None:
        await self._execute("screendump", {"filename": str(file)})

    async def vnc_server(self) -> str:
        """The address and port on which the VNC server listens; ``none`` where it does not listen."""
        answer = await self._execute("query-vnc")
        if not isinstance(answer, Mapping) or "service" not in answer:
            return "none"
        return f"{answer.get('host')}:{answer['service']}"

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
        answer = await self._human_monitor(
            f"hostfwd_add {NETDEV} {forward_rule(forward)}-:{forward.guest_port}"
        )
        if answer:
            raise PortTaken(
                f"portForwards: {forward.proto} port {forward.host_port} on {forward.host_ip} cannot be "
                f"forwarded: {answer}",
                hint="Choose another host port, or stop who has it.",
                port=forward.host_port,
            )

    async def remove_forward(self, forward: Forward) -> None:
        answer = await self._human_monitor(f"hostfwd_remove {NETDEV} {forward_rule(forward)}")
        if "removed" not in answer and "not found" not in answer:
            raise DriverError(f"portForwards: {forward_rule(forward)} cannot be removed: {answer}")

    async def _human_monitor(self, line: str) -> str:
        """Run a command of the human monitor, the only one that has host forwards. It returns text, empty on
        success.
        """
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
    slot_count: int = 0,
    used_slots: Mapping[int, UsedSlot] | None = None,
    inherited: Sequence[int] = (),
    disk: Path | None = None,
    disks: Sequence[DataDisk] = (),
) -> QemuMachine:
    """Start QEMU in a session of its own; returns when its monitor answers.

    :param slot_count: the number of slots in the command line.
    :param used_slots: the slots with a share, which are cleaned up when the machine has ended.
    :param disk: the path of the instance's disk in the command line, if not ``paths.disk``.
    :param disks: the additional disks in the command line.
    :param inherited: descriptors that QEMU inherits.
    :raises PortTaken: when a host port of the command line cannot be bound.
    :raises DriverError: with QEMU's own message when it ends or hangs.
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
        return QemuMachine(process, monitor, paths, slot_count, used_slots or {}, disk or paths.disk, disks)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        paths.driver_pid(VMType.QEMU).unlink(missing_ok=True)
        raise


async def _monitor(process: asyncio.subprocess.Process, paths: InstancePaths) -> QMPClient:
    deadline = asyncio.get_running_loop().time() + _MONITOR_TIMEOUT
    while process.returncode is None:
        if asyncio.get_running_loop().time() > deadline:
            raise DriverError(
                f"QEMU did not open its monitor within {_MONITOR_TIMEOUT:.0f} s: {_log_text(paths)}"
            )
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
    message = _log_text(paths)
    port_taken = _PORT_TAKEN.search(message)
    if port_taken:
        port = int(port_taken.group(1))
        raise PortTaken(f"portForwards: port {port} of the host is taken: {message}", port=port)
    raise DriverError(f"QEMU ended with status {process.returncode}: {message}")


def _is_out_of_space(event: Message) -> bool:
    """Whether QEMU paused for lack of disk space; by default it reports any other error to the guest."""
    data = event.get("data")
    return isinstance(data, Mapping) and data.get("action") == "stop"


def _log_text(paths: InstancePaths) -> str:
    return paths.qemu_log.read_text(encoding="utf-8", errors="replace").strip() or "it said nothing"
