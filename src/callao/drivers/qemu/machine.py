# SPDX-License-Identifier: GPL-3.0-or-later
"""From a configuration to QEMU's command line. Pure."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from callao.config import Arch, Config
from callao.drivers.base import Boot, Forward
from callao.drivers.qemu.accel import Acceleration
from callao.drivers.qemu.devices import (
    Devices,
    DirectKernel,
    Disk,
    Flash,
    GuestChannel,
    Monitor,
    Part,
    SerialLog,
    SocketNetwork,
    UserNetwork,
)
from callao.drivers.qemu.shares import SharedMemory, Slots
from callao.drivers.qemu.shares import parts as share_parts

MACHINES = {Arch.X86_64: "q35", Arch.AARCH64: "virt"}
"""QEMU's machine type by architecture."""

_GICV2_CPUS = 8
"""More than these need an interrupt controller newer than the one that ``virt`` has by itself."""

_COMMON = ("virtio-rng-pci", "virtio-balloon-pci,free-page-reporting=on")
_VMGENID = "vmgenid,guid=auto"
"""Lets a restored guest's kernel reseed its random pool, see QEMU's docs/specs/vmgenid.txt; only on q35."""


@dataclass(frozen=True)
class Booting:
    """What the machine boots by: one of UEFI and a direct kernel, or neither for BIOS."""

    flash: Flash | None = None
    kernel: DirectKernel | None = None


def command_line(binary: str, boot: Boot, accel: Acceleration, booting: Booting) -> list[str]:
    """The whole argv."""
    config, paths = boot.config, boot.paths
    ssh = Forward("tcp", "127.0.0.1", boot.ssh_port, 22)
    parts: list[Part] = [each for each in (booting.flash, booting.kernel) if each is not None]
    parts += [
        Disk("disk", paths.disk, "qcow2", boot=True),
        Disk("cidata", paths.cidata_iso, "raw", readonly=True),
        UserNetwork(boot.mac_address, (ssh, *boot.forwards)),
        *_networks(boot),
        SerialLog(paths.serial_log),
        GuestChannel(paths.ga_sock),
        *_memory(config),
        *share_parts(paths, boot.shares),
        Slots(paths),
        Monitor(paths.qmp_sock),
        Devices((*_COMMON, *((_VMGENID,) if config.arch is Arch.X86_64 else ()))),
    ]
    return [
        binary,
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


def _machine(config: Config) -> str:
    name = MACHINES[config.arch]
    crowded = config.arch is Arch.AARCH64 and config.cpus > _GICV2_CPUS
    return f"{name},gic-version=max" if crowded else name


def _memory(config: Config) -> list[Part]:
    """Shared always, so that virtiofs can come later: it cannot be switched at run time."""
    return [SharedMemory(config.memory)] if sys.platform == "linux" else []


def _networks(boot: Boot) -> list[Part]:
    return [
        SocketNetwork(index + 1, Path(network.socket), network.mac_address)
        for index, network in enumerate(boot.config.networks)
        if network.socket
    ]
