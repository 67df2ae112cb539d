# SPDX-License-Identifier: GPL-3.0-or-later
"""Implements the contract in :mod:`callao.drivers.base` by QEMU."""

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
from callao.drivers.qemu import binary, display, firmware, vsock
from callao.drivers.qemu.accelerator import Acceleration, choose_accelerator
from callao.drivers.qemu.architectures import ARCHITECTURES
from callao.drivers.qemu.command_line import BootSource, command_line, machine_arguments
from callao.drivers.qemu.devices import CommandLinePart, DirectKernel, Flash
from callao.drivers.qemu.disks import layers, qcow2
from callao.drivers.qemu.disks.data_disks import with_layer_name
from callao.drivers.qemu.disks.layer_store import Qcow2Layers, files_in_folder
from callao.drivers.qemu.hotplug import virtiofsd
from callao.drivers.qemu.hotplug.shares import UsedSlot
from callao.drivers.qemu.memory import MappedMemory, SharedMemory, copy_to_memfd
from callao.drivers.qemu.migration import COMBINED, DEVICES, MEMORY
from callao.drivers.qemu.process import launch
from callao.errors import ConfigError, DriverError, Problem
from callao.events import Event, EventState, Reporter, Stage
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
        if config.mount_type is MountType.VIRTIOFS and config.mounts and virtiofsd.find() is None:
            missing.append(f"mountType: virtiofs: {virtiofsd.MISSING}")
        if _needs_uefi(config) and firmware.find(arch, _versioned_machine(config)) is None:
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
        config = boot.config
        missing = self.missing(config)
        if missing:
            raise DriverError(" ".join(missing))
        program, version = _qemu_program(config)
        accel = choose_accelerator(config, program, version, Host.detect().arch, _verdict_cache(boot.paths))
        if accel.notice:
            report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=accel.notice))
        source = _boot_source(boot.paths, config)
        if source.kernel is not None and boot.saved is None:
            source = replace(source, kernel=_without_mitigations(source.kernel, accel, report))
        if source.flash is not None and not boot.paths.qemu_efi_vars.exists():
            firmware.create_variables(_find_firmware(config), boot.paths.qemu_efi_vars)
        display.create_vnc_password(boot.paths, config)
        slots: dict[int, UsedSlot] = {}
        slot_count = boot.layout.slots if ARCHITECTURES[config.arch].root_ports else 0
        separate_memory = boot.saved is not None and (boot.saved.folder / DEVICES).exists()
        with _migration_source(boot, separate_memory=separate_memory) as (memory, descriptors):
            disk = layers.layer_name(boot.paths.disk)
            boot_with_layers = replace(boot, disks=tuple(with_layer_name(each) for each in boot.disks))
            shown = display.display_option(config, os.environ)
            source = replace(source, memory=memory, disk=disk, display=shown)
            argv = command_line(program, boot_with_layers, accel, source, self.network(config))
            try:
                for index, share in enumerate(boot.shares):
                    slots[index] = await UsedSlot.prepare(index, share, boot.paths)
                    slots[index].plugged = True
                sockets = boot.nic_sockets
                inherited = (*descriptors, *((sockets.nic, sockets.stack) if sockets is not None else ()))
                machine = await launch(
                    argv, boot.paths, slot_count=slot_count, used_slots=slots, inherited=inherited,
                    disk=disk, disks=boot.disks,
                )  # fmt: skip
            except BaseException:
                for index, slot in slots.items():
                    await slot.clean_up(index, boot.paths)
                raise
            if config.video.display == display.VNC:
                server = await machine.vnc_server()
                message = f"VNC server on {server}; its password is in {boot.paths.vnc_password}."
                report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))
            if boot.saved is not None:
                try:
                    await machine.migration.restore(descriptors[0], separate_memory=separate_memory)
                    if not separate_memory:
                        await machine.migration.split_files(boot.saved.folder)
                except BaseException:
                    await machine.kill()
                    await machine.wait()
                    raise
        return machine

    def machine_arguments(self, boot: Boot) -> tuple[str, ...]:
        config = boot.config
        program, version = _qemu_program(config)
        accel = choose_accelerator(config, program, version, Host.detect().arch, _verdict_cache(boot.paths))
        try:
            source = _boot_source(boot.paths, config)
        except DriverError:  # no firmware is installed, but the image may come with a kernel
            source = BootSource()
        arguments = machine_arguments(program, boot, accel, source, self.network(config))
        return ("-version", version, *arguments)


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


@contextlib.contextmanager
def _migration_source(
    boot: Boot, *, separate_memory: bool
) -> Iterator[tuple[CommandLinePart | None, tuple[int, ...]]]:
    """The memory backend with which QEMU restores a state, and descriptors that it inherits: the first is
    that of the file with the device state.
    """
    if boot.saved is None:
        yield None, ()
        return
    pages, size = boot.saved.folder / MEMORY, boot.config.memory
    try:
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(
                (boot.saved.folder / (DEVICES if separate_memory else COMBINED)).open("rb")
            )
            descriptors = (stream.fileno(),)
            if not separate_memory:
                yield SharedMemory(size), descriptors
            elif not boot.saved.shared_memory and not boot.layout.reclaims:
                yield MappedMemory(size, pages), descriptors
            else:
                copy = copy_to_memfd(pages)
                stack.callback(os.close, copy)
                yield SharedMemory(size, copy), (*descriptors, copy)
    except OSError as error:
        raise DriverError(f"the saved state {boot.saved.folder} cannot be read: {error}.") from error


def _qemu_program(config: Config) -> tuple[str, str]:
    program = binary.find(config.arch.value)
    if program is None:
        raise DriverError(binary.not_found_message(config.arch.value))
    return program, ".".join(map(str, binary.version(program)))


def _verdict_cache(paths: InstancePaths) -> Path:
    return paths.dir.parent / "_cache" / "accel.json"


def _boot_source(paths: InstancePaths, config: Config) -> BootSource:
    """What the machine boots from. Nothing is written.

    :raises DriverError: when there is no firmware for it.
    """
    if paths.kernel.exists():
        cmdline = paths.kernel_cmdline.read_text(encoding="utf-8") if paths.kernel_cmdline.exists() else ""
        return BootSource(
            kernel=DirectKernel(paths.kernel, paths.initrd if paths.initrd.exists() else None, cmdline)
        )
    if _boots_by_bios(config):
        return BootSource()
    found = _find_firmware(config)
    return BootSource(flash=Flash(found.code, paths.qemu_efi_vars, found.code_format))


def _without_mitigations(kernel: DirectKernel, accel: Acceleration, report: Reporter) -> DirectKernel:
    cmdline = accel.kernel_cmdline(kernel.cmdline)
    if cmdline != kernel.cmdline:
        message = (
            "the guest's kernel runs with mitigations=off, as an emulated CPU does not speculate; "
            "'mitigations=auto' in the image's kernel.cmdline keeps them on."
        )
        report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))
    return replace(kernel, cmdline=cmdline)


def _find_firmware(config: Config) -> firmware.Firmware:
    program = firmware.find(config.arch.value, _versioned_machine(config))
    if program is None:
        raise DriverError(firmware.not_found_message(config.arch.value))
    return program


def _needs_uefi(config: Config) -> bool:
    """Whether UEFI is needed: not with BIOS, nor where every image of the architecture comes with a kernel
    for QEMU to load.
    """
    images = [image for image in config.images if image.arch == config.arch]
    direct = bool(images) and all(image.kernel is not None for image in images)
    return not _boots_by_bios(config) and not direct


def _boots_by_bios(config: Config) -> bool:
    """Whether the machine boots by BIOS. Only x86 has one: templates set it for all architectures, and mean
    x86.
    """
    return config.firmware.legacy_bios and config.arch is Arch.X86_64


def _versioned_machine(config: Config) -> str:
    """The machine type as firmware descriptors match it."""
    return ARCHITECTURES[config.arch].versioned_machine


def _minimum_version(config: Config) -> tuple[int, ...]:
    asked = config.vm_opts.qemu.minimum_version
    wanted = tuple(int(number) for number in asked.split(".") if number.isdigit()) if asked else ()
    return max(binary.OLDEST_VERSION, wanted)
