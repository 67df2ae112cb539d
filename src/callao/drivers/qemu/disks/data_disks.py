# SPDX-License-Identifier: GPL-3.0-or-later
"""Additional disks of a machine: devices in slots, plugged and unplugged while it runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from callao.drivers.base import DataDisk
from callao.drivers.qemu.disks import layers
from callao.drivers.qemu.hotplug.slots import root_port_id
from callao.errors import DriverError

Execute = Callable[[str, Mapping[str, object]], Awaitable[object]]


@dataclass(frozen=True)
class DataDiskOptions:
    """The disks from the start, as options of the command line; ``image`` is the path that QEMU opens."""

    disks: tuple[DataDisk, ...]

    def argv(self) -> list[str]:
        arguments = []
        for disk in self.disks:
            arguments += [
                "-blockdev",
                json.dumps(blockdev_options(disk.format, disk.image, node_name(disk.slot))),
            ]
            options = ",".join(f"{key}={value}" for key, value in device_properties(disk).items())
            arguments += ["-device", options.removeprefix("driver=")]
        return arguments


@dataclass
class DiskTop:
    """The top of a disk's chain of layers: ``image`` is the disk's path on the host, ``active_layer`` the
    path by which QEMU opened the layer that the guest writes. Each freeze adds a name to ``node_names``.
    """

    image: Path
    active_layer: Path
    node_names: list[str]

    def repair_name(self) -> None:
        """Make ``image`` a name of the active layer again, where an earlier attempt failed.

        :raises DriverError: when that fails.
        """
        try:
            is_repaired = self.active_layer.samefile(self.image)
        except OSError as error:
            raise DriverError(f"the disk {self.image} cannot be found: {error}.") from error
        if not is_repaired:
            layers.stage(self.active_layer, self.image)
            layers.activate_staged(self.image)


@dataclass
class AttachedDisk:
    """A disk that the machine has."""

    disk: DataDisk
    top: DiskTop


@dataclass
class DataDiskPlug:
    """The additional disks of one machine.

    ``free_slot`` finds a slot for another device, ``delete_device`` removes a device by its name.
    """

    execute: Execute
    free_slot: Callable[[], int | None]
    delete_device: Callable[[str, str], Awaitable[None]]
    attached: dict[str, AttachedDisk] = field(default_factory=dict)

    def set_initial(self, disks: Iterable[DataDisk]) -> None:
        """Record the disks of the command line."""
        for disk in disks:
            self.attached[disk.name] = _attached(disk)

    def used_slots(self) -> set[int]:
        """The slots in use."""
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
            name = attached.top.node_names[0]
            await self.execute(
                "blockdev-add", blockdev_options(disk.format, attached.top.active_layer, name)
            )
            await self.execute("device_add", device_properties(attached.disk))
        except BaseException:
            await self._remove_blockdevs(attached)
            raise

    async def unplug(self, name: str) -> None:
        """See :class:`callao.drivers.base.DiskHotPlugger`."""
        attached = self.attached.get(name)
        if attached is None:
            raise DriverError(f"additionalDisks: there is no disk {name!r} that could be removed.")
        await self.delete_device(device_id(attached.disk.slot), f"additionalDisks: {name}")
        await self._remove_blockdevs(attached)

    async def _remove_blockdevs(self, attached: AttachedDisk) -> None:
        """Have QEMU close the files, the overlays first."""
        del self.attached[attached.disk.name]
        for each in reversed(attached.top.node_names):
            with contextlib.suppress(DriverError):
                await self.execute("blockdev-del", {"node-name": each})


def with_layer_name(disk: DataDisk) -> DataDisk:
    """The disk with the path by which QEMU opens it: the name of its layer, where it can have layers.

    :raises DriverError: when the name cannot be created.
    """
    return replace(disk, image=layers.layer_name(disk.image)) if disk.format == "qcow2" else disk


def blockdev_options(image_format: str, path: Path, name: str) -> dict[str, object]:
    """The arguments of ``-blockdev`` and ``blockdev-add`` for an image."""
    file = {"driver": "file", "filename": str(path)}
    return {"driver": image_format, "node-name": name, "discard": "unmap", "file": file}


def device_properties(disk: DataDisk) -> dict[str, object]:
    """The arguments of ``-device`` and ``device_add`` for a disk."""
    return {
        "driver": "virtio-blk-pci",
        "drive": node_name(disk.slot),
        "serial": disk.serial,
        "id": device_id(disk.slot),
        "bus": root_port_id(disk.slot),
    }


def device_id(slot: int) -> str:
    """QEMU's id of the disk device in a slot."""
    return f"hotdisk{slot}"


def node_name(slot: int) -> str:
    """QEMU's node name of the image of the disk in a slot."""
    return f"data{slot}"


def _attached(disk: DataDisk) -> AttachedDisk:
    return AttachedDisk(disk, DiskTop(disk.image, with_layer_name(disk).image, [node_name(disk.slot)]))
