# SPDX-License-Identifier: GPL-3.0-or-later
"""The slots of a machine as options of the command line, with the shared directories that are in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callao.atomic import Durability, replacing
from callao.config import MountType
from callao.drivers.base import DeviceShare
from callao.drivers.qemu.devices import escape_commas
from callao.instances import InstancePaths


@dataclass(frozen=True)
class SlotOptions:
    """PCIe root ports for hot-plugged devices, each with two 9p exports; the first ones have a share from
    the start.

    QEMU's monitor cannot create an fsdev. So the command line has a writable and a read-only one for each
    slot, both at a symbolic link that is pointed at the directory just before the device opens it.
    """

    paths: InstancePaths
    slot_count: int
    shares: tuple[DeviceShare, ...] = ()

    def argv(self) -> list[str]:
        arguments = []
        for slot in range(self.slot_count):
            share = self.shares[slot] if slot < len(self.shares) else None
            model = share.security_model if share is not None else "none"
            arguments += [
                "-device",
                f"pcie-root-port,id={root_port_id(slot)},chassis={slot + 1},slot={slot + 1}",
            ]
            for writable in (True, False):
                export = _fsdev_option(
                    fsdev_id(slot, writable=writable), export_link(self.paths, slot), writable, model
                )
                arguments += ["-fsdev", export]
        for slot, share in enumerate(self.shares):
            if share.type is MountType.VIRTIOFS:
                socket = escape_commas(virtiofsd_socket(self.paths, slot))
                arguments += ["-chardev", f"socket,id={chardev_id(slot)},path={socket}"]
            options = ",".join(f"{key}={value}" for key, value in device_properties(slot, share).items())
            arguments += ["-device", options.removeprefix("driver=")]
        return arguments


def device_properties(slot: int, share: DeviceShare) -> dict[str, object]:
    """The arguments of ``device_add`` and ``-device`` for a share."""
    address: dict[str, object] = {"id": device_id(slot), "bus": root_port_id(slot)}
    if share.type is MountType.P9:
        export = fsdev_id(slot, writable=share.writable)
        return {"driver": "virtio-9p-pci", "fsdev": export, "mount_tag": share.tag, **address}
    queue_size = {"queue-size": share.queue_size} if share.queue_size else {}
    return {
        "driver": "vhost-user-fs-pci",
        "chardev": chardev_id(slot),
        "tag": share.tag,
        **queue_size,
        **address,
    }


def root_port_id(slot: int) -> str:
    """QEMU's id of a slot's PCIe root port."""
    return f"hot{slot}"


def fsdev_id(slot: int, *, writable: bool) -> str:
    """QEMU's id of a slot's 9p export."""
    return f"hot{slot}{'rw' if writable else 'ro'}"


def export_link(paths: InstancePaths, slot: int) -> Path:
    """The symbolic link through which a slot's 9p exports find their directory."""
    return paths.dir / f"9p-slot-{slot}"


def device_id(slot: int) -> str:
    """QEMU's id of the share's device in a slot."""
    return f"hotshare{slot}"


def chardev_id(slot: int) -> str:
    """QEMU's id of the connection to a slot's virtiofsd."""
    return f"hotchar{slot}"


def virtiofsd_socket(paths: InstancePaths, slot: int) -> Path:
    """The socket on which a slot's virtiofsd listens; the name is Lima's."""
    return paths.dir / f"virtiofsd-{slot}.sock"


def virtiofsd_log(paths: InstancePaths, slot: int) -> Path:
    """The log of a slot's virtiofsd."""
    return paths.dir / f"virtiofsd-{slot}.log"


def point_link(paths: InstancePaths, slot: int, target: Path) -> None:
    """Point the symbolic link of a slot's 9p exports at ``target``."""
    with replacing(export_link(paths, slot), Durability.REBOOT_ENDS_IT) as new:
        new.symlink_to(target)


def _fsdev_option(name: str, path: Path, writable: bool, model: str) -> str:
    # remap: inode numbers of files of several file systems stay distinct
    read_only = "" if writable else ",readonly=on"
    return f"local,id={name},path={escape_commas(path)},security_model={model},multidevs=remap{read_only}"
