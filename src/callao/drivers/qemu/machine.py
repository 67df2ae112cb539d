# SPDX-License-Identifier: GPL-3.0-or-later
"""From a configuration to QEMU's command line. Pure."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from callao.config import Arch, Config
from callao.drivers.base import Boot, Forward
from callao.drivers.qemu.accel import Acceleration
from callao.drivers.qemu.architectures import ARCHITECTURES
from callao.drivers.qemu.datadisks import DataDisks
from callao.drivers.qemu.devices import (
    APPEND,
    Datasource,
    Devices,
    DirectKernel,
    Disk,
    Flash,
    GuestChannel,
    Monitor,
    Part,
    SerialLog,
    UserNetwork,
    Vsock,
)
from callao.drivers.qemu.memory import SharedMemory
from callao.drivers.qemu.shares import Slots
from callao.drivers.qemu.vsock import cid_of, has_vsock
from callao.guest_network import GuestNetwork
from callao.instances import InstancePaths

_GICV2_CPUS = 8
"""More than these need an interrupt controller newer than the one that ``virt`` has by itself."""

_BALLOON = "virtio-balloon-pci"
_RECLAIM = "free-page-reporting=on"
"""Memory that the guest has freed goes back to the host. Not where it is a file's pages: QEMU would punch
holes into the file, which other machines read."""

_VMGENID = "vmgenid,guid=auto"
"""Lets a restored guest's kernel reseed its random pool, see QEMU's docs/specs/vmgenid.txt; only on q35."""


@dataclass(frozen=True)
class Booting:
    """What the machine boots by: one of UEFI and a direct kernel, or neither for BIOS.

    ``memory`` is where its pages are, for one that takes up a saved state; ``disk`` the name by which
    QEMU is to know the instance's disk.
    """

    flash: Flash | None = None
    kernel: DirectKernel | None = None
    memory: Part | None = None
    disk: Path | None = None


def command_line(
    binary: str, boot: Boot, accel: Acceleration, booting: Booting, network: GuestNetwork
) -> list[str]:
    """The whole argv.

    :param network: of the first NIC.
    """
    config, paths = boot.config, boot.paths
    ssh = [Forward("tcp", boot.reach.address, boot.reach.port, 22)] if boot.reach is not None else []
    parts: list[Part] = [each for each in (booting.flash, booting.kernel) if each is not None]
    parts += [
        Disk("disk", booting.disk or paths.disk, "qcow2", boot=True),
        Disk("cidata", paths.cidata_iso, "raw", readonly=True),
        UserNetwork(network, boot.mac_address, (*ssh, *boot.forwards)),
        SerialLog(paths.serial_log),
        GuestChannel(paths.ga_sock),
        *([booting.memory] if booting.memory is not None else _memory(config)),
        Slots(paths, boot.shape.slots, boot.shares),
        DataDisks(boot.disks),
        *([Vsock(cid_of(paths))] if has_vsock(config) else []),
        Monitor(paths.qmp_sock),
        Devices(_devices(boot)),
        Datasource(),
    ]
    waiting = ["-incoming", "defer"] if boot.saved is not None else []
    return [
        binary,
        *waiting,
        "-name", f"lima-{paths.name}",
        "-machine", _machine(config),
        "-accel", accel.option,
        "-cpu", accel.cpu,
        "-smp", str(config.cpus),
        "-m", f"{config.memory // 2**20}M",
        "-nodefaults",
        "-no-user-config",
        "-display", "none",
        *(word for part in parts for word in part.argv()),
    ]  # fmt: skip


def machine_arguments(
    binary: str, boot: Boot, accel: Acceleration, booting: Booting, network: GuestNetwork
) -> tuple[str, ...]:
    """Of the command line, what a saved state is bound to: no path, no port, no name.

    Two machines of which this is the same can take up each other's state.
    """
    neutral = replace(
        boot, paths=InstancePaths(Path("/")), reach=None, forwards=(), mac_address="", shares=(),
        disks=tuple(replace(each, image=Path("/")) for each in boot.disks),
    )  # fmt: skip
    flash = replace(booting.flash, variables=Path("/")) if booting.flash is not None else None
    # A kernel that QEMU loads lies in the memory by then.
    loaded = DirectKernel(Path("/"), None, "") if booting.kernel is not None else None
    words = command_line(binary, neutral, accel, Booting(flash, loaded), network)
    # How the serial log is opened is nothing to the guest, and states are older than this way.
    return tuple(word.removesuffix(APPEND) for word in words[words.index("-machine") :])


def _devices(boot: Boot) -> tuple[str, ...]:
    balloon = f"{_BALLOON},{_RECLAIM}" if boot.shape.reclaims else _BALLOON
    return ("virtio-rng-pci", balloon, *((_VMGENID,) if boot.config.arch is Arch.X86_64 else ()))


def _machine(config: Config) -> str:
    name = ARCHITECTURES[config.arch].machine
    crowded = config.arch is Arch.AARCH64 and config.cpus > _GICV2_CPUS
    return f"{name},gic-version=max" if crowded else name


def _memory(config: Config) -> list[Part]:
    """Shared always, so that virtiofs can come later: it cannot be switched at run time."""
    return [SharedMemory(config.memory)] if sys.platform == "linux" else []
