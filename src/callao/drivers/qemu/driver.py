# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver: QEMU's side of the contract in :mod:`callao.drivers.base`."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from callao.atomic import make_file, write_file
from callao.config import Arch, Config, MountType, VMType
from callao.config.sizes import format_size
from callao.disks.layers import LayerStore
from callao.drivers.base import Boot, Features, Log, Machine
from callao.drivers.qemu import binary, disk, firmware, layers, virtiofsd, vsock
from callao.drivers.qemu.accel import Acceleration, choose
from callao.drivers.qemu.architectures import ARCHITECTURES
from callao.drivers.qemu.datadisks import opened
from callao.drivers.qemu.devices import DirectKernel, Flash, Part
from callao.drivers.qemu.hotplug import Slot
from callao.drivers.qemu.machine import Booting, command_line, machine_words
from callao.drivers.qemu.memory import MappedMemory, SharedMemory, read_in
from callao.drivers.qemu.migration import DEVICES, MEMORY, WHOLE
from callao.drivers.qemu.process import launch
from callao.drivers.qemu.store import Qcow2Layers, files_of
from callao.errors import ConfigError, DriverError, Problem
from callao.events import Event, EventState, Reporter, Stage
from callao.guest_network import USER_MODE, GuestNetwork
from callao.host import Host
from callao.instances import InstancePaths
from callao.reach import Reach
from callao.system import vhost_vsock

if TYPE_CHECKING:
    from callao.images import FetchedImage  # a download has no part in running a machine


_MOST_CPUS = 255
"""Of ``q35`` without an interrupt remapper, which a guest needs for more; ``virt`` has 512."""

_LEAST_MEMORY = 64 * 2**20
"""Bytes. Firmware, kernel and initrd of the smallest images need twice that."""


class QemuDriver:
    """Any host that has QEMU."""

    features: ClassVar[Features] = Features(
        vm_type=VMType.QEMU,
        arches=frozenset(ARCHITECTURES),
        mount_types=frozenset({MountType.REVERSE_SSHFS, MountType.P9, MountType.VIRTIOFS}),
        hot_mount_types=frozenset({MountType.P9, MountType.VIRTIOFS}),
        honoured=frozenset(
            {"cpuType", "cpus", "memory", "disk", "firmware", "networks", "vmOpts", "additionalDisks"}
        ),
        live_port_forwards=True,
        legacy_bios=True,
        hot_disks=True,
        hot_nics=True,
        ssh_over_vsock=vhost_vsock(),
        saved_states=sys.platform == "linux",
    )
    layers: ClassVar[LayerStore] = Qcow2Layers()

    def validate(self, config: Config, host: Host) -> list[Problem]:
        problems = [*_out_of_bounds(config, host)]
        if config.arch not in ARCHITECTURES:
            allowed = ", ".join(ARCHITECTURES)
            problems.append(Problem("arch", config.arch.value, "is not built for QEMU yet", allowed))
        for index, network in enumerate(config.networks):
            if network.vz_nat:
                allowed = "lima: NAME, socket: PATH"
                problems.append(Problem(f"networks[{index}]", "vzNAT", "is not for QEMU", allowed))
        for index, rule in enumerate(config.port_forwards):
            if config.plain and ":" in rule.host_ip and not rule.ignore:
                message = "is IPv6, and without our program in the guest QEMU forwards from IPv4 only"
                problems.append(
                    Problem(f"portForwards[{index}].hostIP", rule.host_ip, message, "an IPv4 address")
                )
        return problems

    def network(self, config: Config) -> GuestNetwork:  # noqa: ARG002 - the same for all of QEMU's
        return USER_MODE

    def reach(self, paths: InstancePaths, config: Config, port: int) -> Reach:
        return vsock.reach_of(paths, config, port)

    def evidence(self, paths: InstancePaths) -> tuple[Log, ...]:
        return Log("QEMU", paths.qemu_log), Log("the serial console", paths.serial_log)

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

    def create(self, paths: InstancePaths, config: Config, image: FetchedImage) -> None:
        has_disk = paths.disk.exists()
        if not has_disk:
            _refuse_smaller(config.disk, image)
        if image.kernel is not None and not paths.kernel.exists():
            if image.initrd is not None:
                make_file(paths.initrd, partial(shutil.copyfile, image.initrd))
            write_file(paths.kernel_cmdline, image.cmdline.encode())
            make_file(paths.kernel, partial(shutil.copyfile, image.kernel))
        if not has_disk:  # the last: an instance that has one is whole
            make_file(paths.disk, lambda fresh: disk.create_overlay(fresh, image.disk, config.disk))

    def carried(self, paths: InstancePaths) -> tuple[Path, ...]:
        others = (paths.kernel, paths.kernel_cmdline, paths.initrd, paths.qemu_efi_vars)
        return (*files_of(paths.disk), *(path for path in others if path.exists()))

    def resize(self, paths: InstancePaths, config: Config) -> None:
        disk.grow(paths.disk, config.disk)

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        config = boot.config
        lacking = self.missing(config)
        if lacking:
            raise DriverError(" ".join(lacking))
        program, version = _program(config)
        accel = choose(config, program, version, Host.detect().arch, _verdicts(boot.paths))
        if accel.notice:
            report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=accel.notice))
        booting = _booting(boot.paths, config)
        if booting.kernel is not None and boot.saved is None:
            booting = replace(booting, kernel=_unmitigated(booting.kernel, accel, report))
        if booting.flash is not None and not boot.paths.qemu_efi_vars.exists():
            firmware.lay_variables(_firmware(config), boot.paths.qemu_efi_vars)
        slots: dict[int, Slot] = {}
        separate_memory = boot.saved is not None and (boot.saved.folder / DEVICES).exists()
        with _inherited(boot, separate_memory=separate_memory) as (memory, descriptors):
            disk = layers.named(boot.paths.disk)
            named = replace(boot, disks=tuple(opened(each) for each in boot.disks))
            booting = replace(booting, memory=memory, disk=disk)
            argv = command_line(program, named, accel, booting, self.network(config))
            try:
                for index, share in enumerate(boot.shares):
                    slots[index] = await Slot.served(index, share, boot.paths)
                    slots[index].plugged = True
                machine = await launch(
                    argv, boot.paths, count=boot.shape.slots, slots=slots, inherited=descriptors, disk=disk,
                    disks=boot.disks,
                )  # fmt: skip
            except BaseException:
                for index, slot in slots.items():
                    await slot.cleared(index, boot.paths)
                raise
            if boot.saved is not None:
                try:
                    await machine.migration.take_up(descriptors[0], separate_memory=separate_memory)
                    if not separate_memory:
                        await machine.migration.split_files(boot.saved.folder)
                except BaseException:
                    await machine.kill()
                    await machine.wait()
                    raise
        return machine

    def machine_words(self, boot: Boot) -> tuple[str, ...]:
        config = boot.config
        program, version = _program(config)
        accel = choose(config, program, version, Host.detect().arch, _verdicts(boot.paths))
        try:
            booting = _booting(boot.paths, config)
        except DriverError:  # no firmware: a kernel may yet come with the image
            booting = Booting()
        words = machine_words(program, boot, accel, booting, self.network(config))
        return ("-version", version, *words)


def _refuse_smaller(wanted: int, image: FetchedImage) -> None:
    """:raises ConfigError: for a disk that has not the space that its image has."""
    if wanted < (least := disk.virtual_size(image.disk)):
        allowed = f"at least {format_size(least)}, or another image"
        raise ConfigError([Problem("disk", wanted, f"bytes are fewer than {image.location} has", allowed)])


def _out_of_bounds(config: Config, host: Host) -> Iterator[Problem]:
    """Sizes with which no guest of any image comes up."""
    if config.cpus > _MOST_CPUS:
        allowed = f"1 to {_MOST_CPUS}; this host has {host.cpus}"
        yield Problem("cpus", config.cpus, "are more than QEMU's machines have", allowed)
    if 2**20 <= config.memory < _LEAST_MEMORY:  # fewer are no size at all, which is told elsewhere
        most = f"this host has {host.memory // 2**20}MiB"
        allowed = f"at least {_LEAST_MEMORY // 2**20}MiB, with a unit; {most}"
        yield Problem("memory", config.memory, "bytes are too few for any image to boot", allowed)


@contextlib.contextmanager
def _inherited(boot: Boot, *, separate_memory: bool) -> Iterator[tuple[Part | None, tuple[int, ...]]]:
    """What QEMU is handed to take up a state: its memory, and a descriptor of the file with the rest."""
    if boot.saved is None:
        yield None, ()
        return
    pages, size = boot.saved.folder / MEMORY, boot.config.memory
    try:
        with contextlib.ExitStack() as opened:
            stream = opened.enter_context(
                (boot.saved.folder / (DEVICES if separate_memory else WHOLE)).open("rb")
            )
            descriptors = (stream.fileno(),)
            if not separate_memory:
                yield SharedMemory(size), descriptors
            elif not boot.saved.shared_memory and not boot.shape.reclaims:
                yield MappedMemory(size, pages), descriptors
            else:
                copy = read_in(pages)
                opened.callback(os.close, copy)
                yield SharedMemory(size, copy), (*descriptors, copy)
    except OSError as error:
        raise DriverError(f"the saved state {boot.saved.folder} cannot be read: {error}.") from error


def _program(config: Config) -> tuple[str, str]:
    program = binary.find(config.arch.value)
    if program is None:
        raise DriverError(binary.absence(config.arch.value))
    return program, ".".join(map(str, binary.version(program)))


def _verdicts(paths: InstancePaths) -> Path:
    return paths.dir.parent / "_cache" / "accel.json"


def _booting(paths: InstancePaths, config: Config) -> Booting:
    """What the machine boots by. Nothing is written.

    :raises DriverError: when there is no firmware for it.
    """
    if paths.kernel.exists():
        cmdline = paths.kernel_cmdline.read_text(encoding="utf-8") if paths.kernel_cmdline.exists() else ""
        return Booting(
            kernel=DirectKernel(paths.kernel, paths.initrd if paths.initrd.exists() else None, cmdline)
        )
    if _by_bios(config):
        return Booting()
    found = _firmware(config)
    return Booting(flash=Flash(found.code, paths.qemu_efi_vars, found.code_format))


def _unmitigated(kernel: DirectKernel, accel: Acceleration, report: Reporter) -> DirectKernel:
    cmdline = accel.cmdline(kernel.cmdline)
    if cmdline != kernel.cmdline:
        message = (
            "the guest's kernel runs with mitigations=off, as an emulated CPU does not speculate; "
            "'mitigations=auto' in the image's kernel.cmdline keeps them on."
        )
        report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))
    return replace(kernel, cmdline=cmdline)


def _firmware(config: Config) -> firmware.Firmware:
    found = firmware.find(config.arch.value, _full_name(config))
    if found is None:
        raise DriverError(firmware.absence(config.arch.value))
    return found


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
    return ARCHITECTURES[config.arch].full_name


def _least(config: Config) -> tuple[int, ...]:
    asked = config.vm_opts.qemu.minimum_version
    wanted = tuple(int(number) for number in asked.split(".") if number.isdigit()) if asked else ()
    return max(binary.OLDEST, wanted)
