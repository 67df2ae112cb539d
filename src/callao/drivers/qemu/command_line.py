# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds QEMU's command line from a configuration. Pure functions."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from callao.config import Arch, Config
from callao.drivers.base import Boot, Forward
from callao.drivers.qemu.architectures import ARCHITECTURES
from callao.drivers.qemu.devices import (
    APPEND_OPTION,
    CommandLinePart,
    Devices,
    DirectKernel,
    Disk,
    Flash,
    GuestChannel,
    Monitor,
    NoCloudSerial,
    SerialLog,
    UserNetwork,
    Vsock,
)
from callao.drivers.qemu.disks.data_disks import DataDiskOptions
from callao.drivers.qemu.display import NONE, VNC, Screen, has_display, renders_on_the_host
from callao.drivers.qemu.hotplug.slots import SlotOptions
from callao.drivers.qemu.memory import SharedMemory
from callao.drivers.qemu.vsock import guest_cid, has_vsock
from callao.guest_network import GuestNetwork
from callao.instances import InstancePaths

if TYPE_CHECKING:
    from callao.drivers.qemu.accelerator import Acceleration  # psutil, which only a start needs

_GICV2_CPUS = 8
"""More CPUs than these need a newer interrupt controller than the default one of ``virt``."""

_BALLOON = "virtio-balloon"
_RECLAIM = "free-page-reporting=on"
"""Returns memory that the guest has freed to the host. Not used where the memory is mapped from a file: QEMU
would punch holes into the file, which other machines read."""

_VMGENID = "vmgenid,guid=auto"
"""Tells a restored guest's kernel to reseed its random pool, see QEMU's docs/specs/vmgenid.txt; only on
q35."""


@dataclass(frozen=True)
class BootSource:
    """What the machine boots from: UEFI or a direct kernel, or neither for BIOS.

    ``memory`` is the memory backend of a machine that restores a saved state; ``disk`` the path by which
    QEMU opens the instance's disk; ``display`` the value of ``-display`` on this host.
    """

    flash: Flash | None = None
    kernel: DirectKernel | None = None
    memory: CommandLinePart | None = None
    disk: Path | None = None
    display: str = NONE


def command_line(
    binary: str, boot: Boot, accel: Acceleration, source: BootSource, network: GuestNetwork
) -> list[str]:
    """The whole argv.

    :param network: the network of the first NIC.
    """
    config, paths = boot.config, boot.paths
    entry = ARCHITECTURES[config.arch]
    bus = entry.virtio_bus
    ssh = [Forward("tcp", boot.reach.address, boot.reach.port, 22)] if boot.reach is not None else []
    parts: list[CommandLinePart] = [each for each in (source.flash, source.kernel) if each is not None]
    parts += [
        Disk("disk", source.disk or paths.disk, "qcow2", boot=True, bus=bus),
        Disk("cidata", paths.cidata_iso, "raw", readonly=True, bus=bus),
        UserNetwork(network, boot.mac_address, (*ssh, *boot.forwards), boot.nic_sockets, bus),
        SerialLog(paths.serial_log),
        GuestChannel(paths.ga_sock, bus),
        *([source.memory] if source.memory is not None else _memory(config)),
        *([SlotOptions(paths, boot.layout.slots, boot.shares)] if entry.root_ports else []),
        DataDiskOptions(boot.disks),
        *([Vsock(guest_cid(paths))] if has_vsock(config) else []),
        Monitor(paths.qmp_sock),
        Devices(_devices(boot)),
        *_screen(boot),
        *([NoCloudSerial()] if entry.smbios else []),
    ]
    incoming = ["-incoming", "defer"] if boot.saved is not None else []
    return [
        binary,
        *incoming,
        "-name", f"lima-{paths.name}",
        "-machine", _machine(config),
        "-accel", accel.option,
        "-cpu", accel.cpu,
        "-smp", str(config.cpus),
        "-m", f"{config.memory // 2**20}M",
        "-nodefaults",
        "-no-user-config",
        "-display", source.display,
        *(word for part in parts for word in part.argv()),
    ]  # fmt: skip


def machine_arguments(
    binary: str, boot: Boot, accel: Acceleration, source: BootSource, network: GuestNetwork
) -> tuple[str, ...]:
    """The part of the command line that a saved state depends on: without paths, ports and names.

    Two machines for which it is the same can restore each other's states.
    """
    neutral = replace(
        boot, paths=InstancePaths(Path("/")), reach=None, forwards=(), mac_address="", shares=(),
        nic_sockets=None,
        disks=tuple(replace(each, image=Path("/")) for each in boot.disks),
    )  # fmt: skip
    flash = replace(source.flash, variables=Path("/")) if source.flash is not None else None
    # A kernel that QEMU loads is part of the saved memory.
    kernel = DirectKernel(Path("/"), None, "") if source.kernel is not None else None
    words = command_line(binary, neutral, accel, BootSource(flash, kernel), network)
    # The guest does not depend on how the serial log is opened, and older saved states lack this option.
    return tuple(word.removesuffix(APPEND_OPTION) for word in words[words.index("-machine") :])


def _devices(boot: Boot) -> tuple[str, ...]:
    bus = ARCHITECTURES[boot.config.arch].virtio_bus
    reclaim = f",{_RECLAIM}" if boot.layout.reclaims else ""
    return (
        f"virtio-rng-{bus}",
        f"{_BALLOON}-{bus}{reclaim}",
        *((_VMGENID,) if boot.config.arch is Arch.X86_64 else ()),
    )


def _screen(boot: Boot) -> list[CommandLinePart]:
    config = boot.config
    if not has_display(config):
        return []
    vnc = config.video.display == VNC
    return [Screen(config.arch, boot.paths, vnc=vnc, gl=renders_on_the_host(config))]


def _machine(config: Config) -> str:
    name = ARCHITECTURES[config.arch].machine
    needs_gicv3 = config.arch is Arch.AARCH64 and config.cpus > _GICV2_CPUS
    return f"{name},gic-version=max" if needs_gicv3 else name


def _memory(config: Config) -> list[CommandLinePart]:
    """The memory is always shared, so that virtiofs can be plugged later: it cannot be changed at run
    time.
    """
    shared = sys.platform == "linux" and ARCHITECTURES[config.arch].numa
    return [SharedMemory(config.memory)] if shared else []
