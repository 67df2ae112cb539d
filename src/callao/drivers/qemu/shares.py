# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared directories as parts of the command line, and the spare slots for those to come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callao.config import MountType
from callao.drivers.base import DeviceShare
from callao.drivers.qemu.devices import Part, escaped
from callao.instances import InstancePaths

SLOTS = 8
"""Directories that a running machine can be given; each takes a PCIe root port, which has one device."""


@dataclass(frozen=True)
class Share9p:
    """A directory that QEMU serves itself, see qemu(1), ``-fsdev local``."""

    index: int
    share: DeviceShare

    def argv(self) -> list[str]:
        name = f"share{self.index}"
        device = f"virtio-9p-pci,fsdev={name},mount_tag={self.share.tag}"
        path, model = Path(self.share.location), self.share.security_model
        return ["-fsdev", _fsdev(name, path, self.share.writable, model), "-device", device]


@dataclass(frozen=True)
class ShareVirtiofs:
    """A directory that a virtiofsd serves on ``socket``."""

    index: int
    share: DeviceShare
    socket: Path

    def argv(self) -> list[str]:
        name = f"share{self.index}"
        size = f",queue-size={self.share.queue_size}" if self.share.queue_size else ""
        return [
            "-chardev", f"socket,id={name},path={escaped(self.socket)}",
            "-device", f"vhost-user-fs-pci,chardev={name},tag={self.share.tag}{size}",
        ]  # fmt: skip


@dataclass(frozen=True)
class SharedMemory:
    """The guest's memory where another process can map it: a virtiofsd reads requests in place."""

    size: int
    """Bytes."""

    def argv(self) -> list[str]:
        backend = f"memory-backend-memfd,id=mem,size={self.size // 2**20}M,share=on"
        return ["-object", backend, "-numa", "node,memdev=mem"]


@dataclass(frozen=True)
class Slots:
    """Ports for devices to be plugged in later, each with its two 9p exports.

    A QEMU monitor cannot make an fsdev: so there is a writable and a read-only one for each slot, both
    at a symbolic link that is pointed at the directory just before the device opens it.
    """

    paths: InstancePaths

    def argv(self) -> list[str]:
        words = []
        for slot in range(SLOTS):
            words += ["-device", f"pcie-root-port,id={port(slot)},chassis={slot + 1},slot={slot + 1}"]
            for writable in (True, False):
                words += ["-fsdev", _fsdev(fsdev(slot, writable=writable), link(self.paths, slot), writable)]
        return words


def port(slot: int) -> str:
    """The PCIe root port of a slot."""
    return f"hot{slot}"


def fsdev(slot: int, *, writable: bool) -> str:
    """The 9p export of a slot."""
    return f"hot{slot}{'rw' if writable else 'ro'}"


def link(paths: InstancePaths, slot: int) -> Path:
    """The symbolic link that a slot's 9p exports lead through."""
    return paths.dir / f"9p-slot-{slot}"


def socket_of(paths: InstancePaths, name: str | int) -> Path:
    """Where a virtiofsd listens, under Lima's name."""
    return paths.dir / f"virtiofsd-{name}.sock"


def log_of(paths: InstancePaths, name: str | int) -> Path:
    """What a virtiofsd said."""
    return paths.dir / f"virtiofsd-{name}.log"


def parts(paths: InstancePaths, shares: tuple[DeviceShare, ...]) -> list[Part]:
    """The devices that a machine is started with."""
    return [
        Share9p(index, share)
        if share.type is MountType.P9
        else ShareVirtiofs(index, share, socket_of(paths, index))
        for index, share in enumerate(shares)
    ]


def _fsdev(name: str, path: Path, writable: bool, model: str = "none") -> str:
    # remap: files of several file systems keep their inode numbers apart
    read_only = "" if writable else ",readonly=on"
    return f"local,id={name},path={escaped(path)},security_model={model},multidevs=remap{read_only}"
