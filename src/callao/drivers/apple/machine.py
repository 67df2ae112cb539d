# SPDX-License-Identifier: GPL-3.0-or-later
"""From a configuration to the list of devices, for each of the two tools. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from callao.config import Config
from callao.config.shares import ROSETTA_TAG, has_rosetta
from callao.drivers.apple import krunkit, vfkit
from callao.drivers.apple.devices import (
    PROGRAM_PORT,
    SSH_PORT,
    Balloon,
    Datagrams,
    Device,
    DirectKernel,
    Disk,
    Efi,
    Entropy,
    FirmwareOfTool,
    Gpu,
    Keyboard,
    Nat,
    Nic,
    Pointer,
    Rosetta,
    SerialLog,
    SharedDirectory,
    Sound,
    Switch,
    VirtualMachine,
    Vsock,
)
from callao.drivers.apple.files import Sockets, efi_store
from callao.drivers.apple.tools import NEWEST, Version
from callao.drivers.base import Boot
from callao.images.formats import ImageFormat

WINDOWS = ("vz", "default")
"""The values of ``video.display`` that have vfkit show a window."""

_SCREEN: tuple[Device, ...] = (Gpu(), Keyboard(), Pointer())

_OWN_PERMISSIONS = "mapped-xattr"
"""The ``securityModel`` of a mount whose files have owners and modes of the guest's own."""


@dataclass(frozen=True)
class Wiring:
    """What connects a machine to the host: its sockets, the uplink of its first NIC, and the other NICs."""

    sockets: Sockets
    uplink: Nat | Switch | Datagrams
    nics: tuple[Nic, ...] = ()


def vz_machine(
    boot: Boot, wiring: Wiring, kernel: DirectKernel | None = None, version: Version = NEWEST
) -> VirtualMachine:
    """For vfkit.

    :param kernel: the image's, in place of UEFI.
    """
    config, paths = boot.config, boot.paths
    window = has_window(config)
    devices: list[Device] = [
        Disk(paths.disk),
        Disk(paths.cidata_iso, readonly=True),
        *_common(boot, wiring),
        *(Disk(each.image, ImageFormat(each.format), serial=each.serial) for each in boot.disks),
        *([Balloon()] if version >= vfkit.BALLOON else []),
        *([Rosetta(ROSETTA_TAG)] if has_rosetta(config) else []),
        *(_SCREEN if window else ()),
    ]
    return VirtualMachine(
        cpus=config.cpus,
        memory=config.memory,
        bootloader=kernel or Efi(efi_store(paths)),
        devices=tuple(devices),
        rest=wiring.sockets.rest,
        nested=config.nested_virtualization,
        window=window,
    )


def krunkit_machine(boot: Boot, wiring: Wiring, version: Version = NEWEST) -> VirtualMachine:
    """For krunkit, which has the GPU always."""
    config, paths = boot.config, boot.paths
    devices: list[Device] = [
        Disk(paths.disk),
        # Writable, as krunkit has no other: the guest mounts it read-only, and each start writes it anew.
        Disk(paths.cidata_iso),
        *_common(boot, wiring),
        *(Disk(each.image, ImageFormat(each.format), serial=each.serial) for each in boot.disks),
    ]
    return VirtualMachine(
        cpus=config.cpus,
        memory=config.memory,
        bootloader=FirmwareOfTool(),
        devices=tuple(devices),
        rest=wiring.sockets.rest if version >= krunkit.REST else None,
        pid_file=wiring.sockets.pid_file if version < krunkit.REST else None,
        nested=config.nested_virtualization,
    )


def _common(boot: Boot, wiring: Wiring) -> Sequence[Device]:
    """Shared directories are writable on the host's side, since neither tool has others: the guest mounts
    those that are not wanted so read-only."""
    sockets = wiring.sockets
    return (
        Nic(boot.mac_address, wiring.uplink),
        *wiring.nics,
        Vsock(PROGRAM_PORT, sockets.program),
        *([Vsock(SSH_PORT, sockets.ssh)] if boot.config.ssh.over_vsock else []),
        SerialLog(boot.paths.serial_log),
        Entropy(),
        *(
            SharedDirectory(
                Path(each.location), each.tag, own_permissions=each.security_model == _OWN_PERMISSIONS
            )
            for each in boot.shares
        ),
        *([Sound()] if has_sound(boot.config) else []),
    )


def has_sound(config: Config) -> bool:
    """Whether a sound device is wanted; neither tool has one."""
    return config.audio.device not in (None, "", "none")


def has_window(config: Config) -> bool:
    """Whether the guest's screen is shown."""
    return config.video.display in WINDOWS
