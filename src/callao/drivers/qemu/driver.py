# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver: QEMU's side of the contract in :mod:`callao.drivers.base`."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import ClassVar

from callao.config import Arch, Config, MountType, VMType
from callao.drivers.base import Boot, Features, Machine
from callao.drivers.qemu import binary, disk, firmware, virtiofsd
from callao.drivers.qemu.accel import choose
from callao.drivers.qemu.devices import DirectKernel, Flash
from callao.drivers.qemu.machine import MACHINES, Booting, command_line
from callao.drivers.qemu.process import launch
from callao.drivers.qemu.shares import log_of, socket_of
from callao.errors import DriverError, Problem
from callao.events import Event, Reporter, Stage, State
from callao.host import Host
from callao.images import Fetched
from callao.instances import InstancePaths


class QemuDriver:
    """Any host that has QEMU."""

    features: ClassVar[Features] = Features(
        vm_type=VMType.QEMU,
        arches=frozenset(MACHINES),
        mount_types=frozenset({MountType.REVERSE_SSHFS, MountType.P9, MountType.VIRTIOFS}),
        hot_mount_types=frozenset({MountType.P9, MountType.VIRTIOFS}),
        honoured=frozenset({"cpuType", "cpus", "memory", "disk", "firmware", "networks", "vmOpts"}),
        live_port_forwards=True,
        socket_networks=True,
        legacy_bios=True,
    )

    def validate(self, config: Config, host: Host) -> list[Problem]:  # noqa: ARG002
        problems = []
        if config.arch not in MACHINES:
            allowed = ", ".join(MACHINES)
            problems.append(Problem("arch", config.arch.value, "is not built for QEMU yet", allowed))
        for index, network in enumerate(config.networks):
            if not network.socket:
                kind = "vzNAT" if network.vz_nat else f"lima: {network.lima}"
                problems.append(
                    Problem(f"networks[{index}]", kind, "is not for QEMU on this host", "socket: PATH")
                )
        for index, rule in enumerate(config.port_forwards):
            if ":" in rule.host_ip and not rule.ignore:
                message = "is IPv6, and QEMU forwards from IPv4 only"
                problems.append(
                    Problem(f"portForwards[{index}].hostIP", rule.host_ip, message, "an IPv4 address")
                )
        return problems

    def missing(self, config: Config) -> list[str]:
        arch = config.arch.value
        found = binary.find(arch)
        lacking = []
        if found is None:
            lacking.append(binary.absence(arch))
        elif (version := binary.version(found)) < (least := _least(config)):
            have, need = (".".join(map(str, each)) for each in (version, least))
            lacking.append(f"{found} is version {have}, and {need} is needed: upgrade it.")
        if shutil.which("qemu-img") is None:
            lacking.append("qemu-img is not on PATH: install it (Debian: qemu-utils).")
        if config.mount_type is MountType.VIRTIOFS and config.mounts and virtiofsd.find() is None:
            lacking.append(f"mountType: virtiofs: {virtiofsd.ABSENT}")
        if _needs_uefi(config) and firmware.find(arch, _full_name(config)) is None:
            lacking.append(firmware.absence(arch))
        return lacking

    def create(self, paths: InstancePaths, config: Config, image: Fetched) -> None:
        if not paths.disk.exists():
            disk.create_overlay(paths.disk, image.disk, config.disk)
        if image.kernel is not None and not paths.kernel.exists():
            shutil.copyfile(image.kernel, paths.kernel)
            paths.kernel_cmdline.write_text(image.cmdline, encoding="utf-8")
            if image.initrd is not None:
                shutil.copyfile(image.initrd, paths.initrd)

    def carried(self, paths: InstancePaths) -> tuple[Path, ...]:
        every = (paths.disk, paths.kernel, paths.kernel_cmdline, paths.initrd, paths.qemu_efi_vars)
        return tuple(path for path in every if path.exists())

    def bases(self, paths: InstancePaths) -> tuple[Path, ...]:
        base = disk.backing_file(paths.disk) if paths.disk.exists() else None
        return (base,) if base is not None else ()

    def resize(self, paths: InstancePaths, config: Config) -> None:
        disk.grow(paths.disk, config.disk)

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        config = boot.config
        lacking = self.missing(config)
        program = binary.find(config.arch.value)
        if lacking or program is None:
            raise DriverError(" ".join(lacking))
        version = ".".join(map(str, binary.version(program)))
        cache = boot.paths.dir.parent / "_cache" / "accel.json"
        accel = choose(config, program, version, Host.detect().arch, cache)
        if accel.notice:
            report(Event(stage=Stage.DRIVER, state=State.NOTICE, message=accel.notice))
        argv = command_line(program, boot, accel, _booting(boot.paths, config))
        daemons: list[asyncio.subprocess.Process] = []
        try:
            for index, share in enumerate(boot.shares):
                if share.type is MountType.VIRTIOFS:
                    socket, log = socket_of(boot.paths, index), log_of(boot.paths, index)
                    daemons.append(await virtiofsd.serve(share, socket, log))
            return await launch(argv, boot.paths, daemons)
        except BaseException:
            for daemon in daemons:
                await virtiofsd.end(daemon)
            raise


def _booting(paths: InstancePaths, config: Config) -> Booting:
    if paths.kernel.exists():
        cmdline = paths.kernel_cmdline.read_text(encoding="utf-8") if paths.kernel_cmdline.exists() else ""
        return Booting(
            kernel=DirectKernel(paths.kernel, paths.initrd if paths.initrd.exists() else None, cmdline)
        )
    if _by_bios(config):
        return Booting()
    found = firmware.find(config.arch.value, _full_name(config))
    if found is None:
        raise DriverError(firmware.absence(config.arch.value))
    if not paths.qemu_efi_vars.exists():
        firmware.lay_variables(found, paths.qemu_efi_vars)
    return Booting(flash=Flash(found.code, paths.qemu_efi_vars, found.code_format))


def _needs_uefi(config: Config) -> bool:
    """Not with BIOS, nor where every image that may be chosen brings a kernel for QEMU to load."""
    images = [image for image in config.images if image.arch == config.arch]
    direct = bool(images) and all(image.kernel is not None for image in images)
    return not _by_bios(config) and not direct


def _by_bios(config: Config) -> bool:
    """Only x86 has one; templates ask for it whatever the architecture, and mean x86."""
    return config.firmware.legacy_bios and config.arch is Arch.X86_64


def _full_name(config: Config) -> str:
    """As firmware descriptors match it."""
    return "pc-q35-7.2" if config.arch is Arch.X86_64 else "virt-7.2"


def _least(config: Config) -> tuple[int, ...]:
    asked = config.vm_opts.qemu.minimum_version
    wanted = tuple(int(number) for number in asked.split(".") if number.isdigit()) if asked else ()
    return max(binary.OLDEST, wanted)
