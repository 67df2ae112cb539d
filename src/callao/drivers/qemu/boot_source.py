# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine boots from: its image's kernel, BIOS, or UEFI firmware."""

from __future__ import annotations

from callao.config import Arch, Config
from callao.drivers.qemu import firmware
from callao.drivers.qemu.architectures import ARCHITECTURES
from callao.drivers.qemu.command_line import BootSource
from callao.drivers.qemu.devices import DirectKernel, Flash
from callao.errors import DriverError
from callao.instances import InstancePaths


def boot_source(paths: InstancePaths, config: Config) -> BootSource:
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
    found = find_firmware(config)
    return BootSource(flash=Flash(found.code, paths.qemu_efi_vars, found.code_format))


def needs_uefi(config: Config) -> bool:
    """Whether UEFI is needed: not with BIOS, nor where every image of the architecture comes with a kernel
    for QEMU to load.
    """
    images = [image for image in config.images if image.arch == config.arch]
    direct = bool(images) and all(image.kernel is not None for image in images)
    return not _boots_by_bios(config) and not direct


def find_firmware(config: Config) -> firmware.Firmware:
    """:raises DriverError: when there is none on this host."""
    program = firmware.find(config.arch.value, versioned_machine(config))
    if program is None:
        raise DriverError(firmware.not_found_message(config.arch.value))
    return program


def versioned_machine(config: Config) -> str:
    """The machine type as firmware descriptors match it."""
    return ARCHITECTURES[config.arch].versioned_machine


def _boots_by_bios(config: Config) -> bool:
    """Whether the machine boots by BIOS. Only x86 has one: templates set it for all architectures, and mean
    x86.
    """
    return config.firmware.legacy_bios and config.arch is Arch.X86_64
