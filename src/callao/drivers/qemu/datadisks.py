# SPDX-License-Identifier: GPL-3.0-or-later
"""Additional disks of a machine: devices in slots, given to it and taken from it while it runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from callao.drivers.base import DataDisk
from callao.drivers.qemu import layers
from callao.drivers.qemu.shares import port
from callao.errors import DriverError

Execute = Callable[[str, Mapping[str, object]], Awaitable[object]]


@dataclass(frozen=True)
class DataDisks:
    """Those from the start, as parts of the command line; ``image`` is the name that QEMU is to know."""

    disks: tuple[DataDisk, ...]

    def argv(self) -> list[str]:
        words = []
        for disk in self.disks:
            words += ["-blockdev", json.dumps(node(disk.format, disk.image, node_name(disk.slot)))]
            options = ",".join(f"{key}={value}" for key, value in device(disk).items())
            words += ["-device", options.removeprefix("driver=")]
        return words


@dataclass
class Top:
    """One disk of a machine: ``image`` is its name on the host, ``written`` the layer that the guest writes,
    under the name that QEMU knows; each time that it was left behind, ``nodes`` got one more."""

    image: Path
    written: Path
    nodes: list[str]

    def settle(self) -> None:
        """Have the image be what the guest writes, where an earlier try failed.

        :raises DriverError: when that cannot be.
        """
        try:
            settled = self.written.samefile(self.image)
        except OSError as error:
            raise DriverError(f"the disk {self.image} cannot be found: {error}.") from error
        if not settled:
            layers.stage(self.written, self.image)
            layers.settle(self.image)


@dataclass
class Attached:
    """One that the machine has."""

    disk: DataDisk
    top: Top


@dataclass
class DiskPlug:
    """The additional disks of one machine.

    ``free_slot`` finds a slot for one more, ``remove`` takes a device away by its name.
    """

    execute: Execute
    free_slot: Callable[[], int | None]
    remove: Callable[[str, str], Awaitable[None]]
    attached: dict[str, Attached] = field(default_factory=dict)

    def began_with(self, disks: Iterable[DataDisk]) -> None:
        """What the command line had."""
        for disk in disks:
            self.attached[disk.name] = _attached(disk)

    def slots(self) -> set[int]:
        """Those that are taken."""
        return {each.disk.slot for each in self.attached.values()}

    async def plug(self, disk: DataDisk) -> None:
        """See :class:`callao.drivers.base.DiskHotPlugger`."""
        slot = self.free_slot()
        if slot is None:
            raise DriverError(
                f"additionalDisks: {disk.name}: all slots for disks and directories are taken.",
                hint="Remove a disk or a mount, or restart the instance: it has a slot for each then.",
            )
        attached = _attached(replace(disk, slot=slot))
        self.attached[disk.name] = attached
        try:
            name = attached.top.nodes[0]
            await self.execute("blockdev-add", node(disk.format, attached.top.written, name))
            await self.execute("device_add", device(attached.disk))
        except BaseException:
            await self._close(attached)
            raise

    async def unplug(self, name: str) -> None:
        """See :class:`callao.drivers.base.DiskHotPlugger`."""
        attached = self.attached.get(name)
        if attached is None:
            raise DriverError(f"additionalDisks: there is no disk {name!r} that could be removed.")
        await self.remove(device_id(attached.disk.slot), f"additionalDisks: {name}")
        await self._close(attached)

    async def _close(self, attached: Attached) -> None:
        """Have QEMU close the files, the upper ones first."""
        del self.attached[attached.disk.name]
        for each in reversed(attached.top.nodes):
            with contextlib.suppress(DriverError):
                await self.execute("blockdev-del", {"node-name": each})


def opened(disk: DataDisk) -> DataDisk:
    """The disk under the name by which QEMU opens it: that of its layer, where it can have layers.

    :raises DriverError: when it cannot be given that name.
    """
    return replace(disk, image=layers.named(disk.image)) if disk.format == "qcow2" else disk


def node(form: str, path: Path, name: str) -> dict[str, object]:
    """QEMU's view of the image, as ``-blockdev`` and ``blockdev-add`` take it."""
    file = {"driver": "file", "filename": str(path)}
    return {"driver": form, "node-name": name, "discard": "unmap", "file": file}


def device(disk: DataDisk) -> dict[str, object]:
    """The device that the guest sees, as ``-device`` and ``device_add`` take it."""
    return {
        "driver": "virtio-blk-pci",
        "drive": node_name(disk.slot),
        "serial": disk.serial,
        "id": device_id(disk.slot),
        "bus": port(disk.slot),
    }


def device_id(slot: int) -> str:
    """The name of the disk in a slot."""
    return f"hotdisk{slot}"


def node_name(slot: int) -> str:
    """What QEMU calls the image of the disk in a slot."""
    return f"data{slot}"


def _attached(disk: DataDisk) -> Attached:
    return Attached(disk, Top(disk.image, opened(disk).image, [node_name(disk.slot)]))
