# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts QEMU's machines. Imported when one starts: asyncio and QEMU's monitor take time to import."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from callao.config import Config
from callao.drivers.base import Boot, Machine
from callao.drivers.qemu import binary, display, firmware
from callao.drivers.qemu.accelerator import Acceleration, choose_accelerator
from callao.drivers.qemu.architectures import ARCHITECTURES
from callao.drivers.qemu.boot_source import boot_source, find_firmware
from callao.drivers.qemu.command_line import BootSource, command_line, machine_arguments
from callao.drivers.qemu.devices import CommandLinePart, DirectKernel
from callao.drivers.qemu.disks import layers
from callao.drivers.qemu.disks.data_disks import with_layer_name
from callao.drivers.qemu.hotplug.shares import UsedSlot
from callao.drivers.qemu.memory import MappedMemory, SharedMemory, copy_to_memfd
from callao.drivers.qemu.migration import COMBINED, DEVICES, MEMORY
from callao.drivers.qemu.process import launch
from callao.errors import DriverError
from callao.events import Event, EventState, Reporter, Stage
from callao.guest_network import GuestNetwork
from callao.host import Host
from callao.instances import InstancePaths


async def start_machine(boot: Boot, network: GuestNetwork, report: Reporter) -> Machine:
    """Start it, or restore its saved state.

    :raises DriverError: when QEMU cannot be started, or the saved state cannot be read.
    """
    config = boot.config
    program, version = _qemu_program(config)
    accel = choose_accelerator(config, program, version, Host.detect().arch, _verdict_cache(boot.paths))
    if accel.notice:
        report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=accel.notice))
    source = boot_source(boot.paths, config)
    if source.kernel is not None and boot.saved is None:
        source = replace(source, kernel=_without_mitigations(source.kernel, accel, report))
    if source.flash is not None and not boot.paths.qemu_efi_vars.exists():
        firmware.create_variables(find_firmware(config), boot.paths.qemu_efi_vars)
    display.create_vnc_password(boot.paths, config)
    slots: dict[int, UsedSlot] = {}
    slot_count = boot.layout.slots if ARCHITECTURES[config.arch].root_ports else 0
    separate_memory = boot.saved is not None and (boot.saved.folder / DEVICES).exists()
    with _migration_source(boot, separate_memory=separate_memory) as (memory, descriptors):
        disk = layers.layer_name(boot.paths.disk)
        boot_with_layers = replace(boot, disks=tuple(with_layer_name(each) for each in boot.disks))
        shown = display.display_option(config, os.environ)
        source = replace(source, memory=memory, disk=disk, display=shown)
        argv = command_line(program, boot_with_layers, accel, source, network)
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


def arguments_of(boot: Boot, network: GuestNetwork) -> tuple[str, ...]:
    """What of QEMU's version and command line a saved state depends on."""
    config = boot.config
    program, version = _qemu_program(config)
    accel = choose_accelerator(config, program, version, Host.detect().arch, _verdict_cache(boot.paths))
    try:
        source = boot_source(boot.paths, config)
    except DriverError:  # no firmware is installed, but the image may come with a kernel
        source = BootSource()
    arguments = machine_arguments(program, boot, accel, source, network)
    return ("-version", version, *arguments)


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


def _without_mitigations(kernel: DirectKernel, accel: Acceleration, report: Reporter) -> DirectKernel:
    cmdline = accel.kernel_cmdline(kernel.cmdline)
    if cmdline != kernel.cmdline:
        message = (
            "the guest's kernel runs with mitigations=off, as an emulated CPU does not speculate; "
            "'mitigations=auto' in the image's kernel.cmdline keeps them on."
        )
        report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))
    return replace(kernel, cmdline=cmdline)
