# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared directories as parts of the command line, each in a slot, and the spare slots for those to come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callao.atomic import Durability, replacing
from callao.config import MountType
from callao.drivers.base import DeviceShare
from callao.drivers.qemu.devices import escaped
from callao.instances import InstancePaths


@dataclass(frozen=True)
class Slots:
    """Ports for shares, each with its two 9p exports; the first ones have a share from the start.

    A QEMU monitor cannot make an fsdev: so there is a writable and a read-only one for each slot, both
    at a symbolic link that is pointed at the directory just before the device opens it.
    """

    paths: InstancePaths
    count: int
    shares: tuple[DeviceShare, ...] = ()

    def argv(self) -> list[str]:
        words = []
        for slot in range(self.count):
            share = self.shares[slot] if slot < len(self.shares) else None
            model = share.security_model if share is not None else "none"
            words += ["-device", f"pcie-root-port,id={port(slot)},chassis={slot + 1},slot={slot + 1}"]
            for writable in (True, False):
                export = _fsdev(fsdev(slot, writable=writable), link(self.paths, slot), writable, model)
                words += ["-fsdev", export]
        for slot, share in enumerate(self.shares):
            if share.type is MountType.VIRTIOFS:
                socket = escaped(socket_of(self.paths, slot))
                words += ["-chardev", f"socket,id={chardev(slot)},path={socket}"]
            options = ",".join(f"{key}={value}" for key, value in device(slot, share).items())
            words += ["-device", options.removeprefix("driver=")]
        return words


def device(slot: int, share: DeviceShare) -> dict[str, object]:
    """The properties of the device that a share is, as ``device_add`` and ``-device`` take them."""
    place: dict[str, object] = {"id": device_id(slot), "bus": port(slot)}
    if share.type is MountType.P9:
        export = fsdev(slot, writable=share.writable)
        return {"driver": "virtio-9p-pci", "fsdev": export, "mount_tag": share.tag, **place}
    size = {"queue-size": share.queue_size} if share.queue_size else {}
    return {"driver": "vhost-user-fs-pci", "chardev": chardev(slot), "tag": share.tag, **size, **place}


def port(slot: int) -> str:
    """The PCIe root port of a slot."""
    return f"hot{slot}"


def fsdev(slot: int, *, writable: bool) -> str:
    """The 9p export of a slot."""
    return f"hot{slot}{'rw' if writable else 'ro'}"


def link(paths: InstancePaths, slot: int) -> Path:
    """The symbolic link that a slot's 9p exports lead through."""
    return paths.dir / f"9p-slot-{slot}"


def device_id(slot: int) -> str:
    """The name of the device in a slot."""
    return f"hotshare{slot}"


def chardev(slot: int) -> str:
    """The connection to a slot's virtiofsd."""
    return f"hotchar{slot}"


def socket_of(paths: InstancePaths, slot: int) -> Path:
    """Where a slot's virtiofsd listens, under Lima's name."""
    return paths.dir / f"virtiofsd-{slot}.sock"


def log_of(paths: InstancePaths, slot: int) -> Path:
    """What a slot's virtiofsd said."""
    return paths.dir / f"virtiofsd-{slot}.log"


def point(paths: InstancePaths, slot: int, target: Path) -> None:
    """Have a slot's 9p exports lead to ``target``."""
    with replacing(link(paths, slot), Durability.REBOOT_ENDS_IT) as fresh:
        fresh.symlink_to(target)


def _fsdev(name: str, path: Path, writable: bool, model: str) -> str:
    # remap: files of several file systems keep their inode numbers apart
    read_only = "" if writable else ",readonly=on"
    return f"local,id={name},path={escaped(path)},security_model={model},multidevs=remap{read_only}"
