# SPDX-License-Identifier: GPL-3.0-or-later
"""Implements the contract in :mod:`callao.drivers.base` by QEMU."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from callao.atomic import make_file, write_file
from callao.config import Config, MountType, VMType
from callao.config.sizes import format_size
from callao.disks.layers import LayerStore
from callao.drivers.base import Boot, Features, Log, Machine
from callao.drivers.qemu import binary, display, firmware, vsock
from callao.drivers.qemu.architectures import ARCHITECTURES
from callao.drivers.qemu.boot_source import needs_uefi, versioned_machine
from callao.drivers.qemu.disks import qcow2
from callao.drivers.qemu.disks.layer_store import Qcow2Layers, files_in_folder
from callao.errors import ConfigError, DriverError, Problem
from callao.events import Reporter
from callao.guest_network import USER_MODE, GuestNetwork
from callao.host import Host
from callao.instances import InstancePaths
from callao.reach import Reach
from callao.system import vhost_vsock

if TYPE_CHECKING:
    from callao.images import (
        FetchedImage,
    )  # not imported when a machine runs: it loads the code for downloads


_MAX_CPUS = 255
"""The limit of ``q35`` without an interrupt remapper; ``virt`` allows 512."""

_MIN_MEMORY = 64 * 2**20
"""Bytes. Firmware, kernel and initrd of the smallest images need twice as much."""


class QemuDriver:
    """Runs machines on any host that has QEMU."""

    features: ClassVar[Features] = Features(
        vm_type=VMType.QEMU,
        mount_types=frozenset({MountType.REVERSE_SSHFS, MountType.P9, MountType.VIRTIOFS}),
        hot_mount_types=frozenset({MountType.P9, MountType.VIRTIOFS}),
        honoured=frozenset(
            {
                "cpuType",
                "cpus",
                "memory",
                "disk",
                "firmware",
                "networks",
                "vmOpts",
                "additionalDisks",
                "video",
                "egress",
            }
        ),
        live_port_forwards=True,
        hot_disks=True,
        hot_nics=True,
        ssh_over_vsock=vhost_vsock(),
        saved_states=sys.platform == "linux",
    )
    layers: ClassVar[LayerStore] = Qcow2Layers()

    def validate(self, config: Config, host: Host) -> list[Problem]:
        problems = [*_size_problems(config, host), *display.problems(config)]
        if not ARCHITECTURES[config.arch].root_ports:
            problems += _hot_plug_problems(config)
        for index, network in enumerate(config.networks):
            if network.vz_nat:
                allowed = "lima: NAME, socket: PATH"
                problems.append(Problem(f"networks[{index}]", "vzNAT", "is not for QEMU", allowed))
        for index, forward_rule in enumerate(config.port_forwards):
            if config.plain and ":" in forward_rule.host_ip and not forward_rule.ignore:
                message = "is IPv6, and without our program in the guest QEMU forwards from IPv4 only"
                problems.append(
                    Problem(
                        f"portForwards[{index}].hostIP", forward_rule.host_ip, message, "an IPv4 address"
                    )
                )
        return problems

    def network(self, config: Config) -> GuestNetwork:  # noqa: ARG002 - the same for all of QEMU's
        return USER_MODE

    def reach(self, paths: InstancePaths, config: Config, port: int) -> Reach:
        return vsock.vsock_reach(paths, config, port)

    def evidence(self, paths: InstancePaths) -> tuple[Log, ...]:
        return Log("QEMU", paths.qemu_log), Log("the serial console", paths.serial_log)

    def missing(self, config: Config) -> list[str]:
        arch = config.arch.value
        program = binary.find(arch)
        missing = []
        if program is None:
            missing.append(binary.not_found_message(arch))
        elif (version := binary.version(program)) < (minimum := _minimum_version(config)):
            have, need = (".".join(map(str, each)) for each in (version, minimum))
            missing.append(f"{program} is version {have}, and {need} is needed: upgrade it.")
        if shutil.which("qemu-img") is None:
            missing.append("qemu-img is not on PATH: install it (Debian: qemu-utils).")
        if config.mount_type is MountType.VIRTIOFS and config.mounts:
            from callao.drivers.qemu.hotplug import virtiofsd

            if virtiofsd.find() is None:
                missing.append(f"mountType: virtiofs: {virtiofsd.MISSING}")
        if needs_uefi(config) and firmware.find(arch, versioned_machine(config)) is None:
            missing.append(firmware.not_found_message(arch))
        return missing

    def create(self, paths: InstancePaths, config: Config, image: FetchedImage) -> None:
        disk_exists = paths.disk.exists()
        if not disk_exists:
            _refuse_smaller_disk(config.disk, image)
        if image.kernel is not None and not paths.kernel.exists():
            if image.initrd is not None:
                make_file(paths.initrd, partial(shutil.copyfile, image.initrd))
            write_file(paths.kernel_cmdline, image.cmdline.encode())
            make_file(paths.kernel, partial(shutil.copyfile, image.kernel))
        if not disk_exists:  # created last: an instance whose disk exists is complete
            make_file(paths.disk, lambda fresh: qcow2.create_overlay(fresh, image.disk, config.disk))

    def state_files(self, paths: InstancePaths) -> tuple[Path, ...]:
        others = (paths.kernel, paths.kernel_cmdline, paths.initrd, paths.qemu_efi_vars)
        return (*files_in_folder(paths.disk), *(path for path in others if path.exists()))

    def resize(self, paths: InstancePaths, config: Config) -> None:
        qcow2.enlarge(paths.disk, config.disk)

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        missing = self.missing(boot.config)
        if missing:
            raise DriverError(" ".join(missing))
        from callao.drivers.qemu.machine_start import start_machine

        return await start_machine(boot, self.network(boot.config), report)

    def machine_arguments(self, boot: Boot) -> tuple[str, ...]:
        from callao.drivers.qemu.machine_start import arguments_of

        return arguments_of(boot, self.network(boot.config))


def _refuse_smaller_disk(wanted: int, image: FetchedImage) -> None:
    """:raises ConfigError: for a disk that is smaller than its image."""
    if wanted < (minimum := qcow2.virtual_size(image.disk)):
        allowed = f"at least {format_size(minimum)}, or another image"
        raise ConfigError([Problem("disk", wanted, f"bytes are fewer than {image.location} has", allowed)])


def _size_problems(config: Config, host: Host) -> Iterator[Problem]:
    """Problems with sizes with which no image can boot."""
    if config.cpus > _MAX_CPUS:
        allowed = f"1 to {_MAX_CPUS}; this host has {host.cpus}"
        yield Problem("cpus", config.cpus, "are more than QEMU's machines have", allowed)
    if 2**20 <= config.memory < _MIN_MEMORY:  # smaller values lack a unit, which is reported elsewhere
        host_memory = f"this host has {host.memory // 2**20}MiB"
        allowed = f"at least {_MIN_MEMORY // 2**20}MiB, with a unit; {host_memory}"
        yield Problem("memory", config.memory, "bytes are too few for any image to boot", allowed)


def _hot_plug_problems(config: Config) -> Iterator[Problem]:
    """Devices that need a PCI Express root port, on a machine that has none."""
    message = f"needs PCI Express, which QEMU's machine of {config.arch.value} has not"
    for index, disk in enumerate(config.additional_disks):
        yield Problem(f"additionalDisks[{index}]", disk.name, message, "no additional disk")
    for index, network in enumerate(config.networks):
        yield Problem(f"networks[{index}]", network.lima or network.socket, message, "no network")
    if config.mounts and not config.plain and config.mount_type is not MountType.REVERSE_SSHFS:
        yield Problem("mountType", config.mount_type.value, message, MountType.REVERSE_SSHFS.value)


def _minimum_version(config: Config) -> tuple[int, ...]:
    asked = config.vm_opts.qemu.minimum_version
    wanted = tuple(int(number) for number in asked.split(".") if number.isdigit()) if asked else ()
    return max(binary.OLDEST_VERSION, wanted)
