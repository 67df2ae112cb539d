# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that a command line asks for, in terms that are the same for both programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class Refused(Exception):
    """The program ends with status 1 and this message, before the machine starts."""


@dataclass(frozen=True)
class Kernel:
    path: str
    initrd: str
    cmdline: str


@dataclass(frozen=True)
class Firmware:
    """``variables`` is the file of UEFI's variables; none where the program keeps none."""

    variables: Path | None
    create: bool = False


@dataclass(frozen=True)
class Disk:
    path: str
    format: str = "raw"
    readonly: bool = False
    serial: str = ""
    device: str = "virtio-blk-pci"


@dataclass(frozen=True)
class Nic:
    """``backend`` is QEMU's, without the id."""

    mac: str
    backend: str


@dataclass(frozen=True)
class Share:
    directory: str
    tag: str


@dataclass(frozen=True)
class VsockPort:
    """``path`` is the unix socket as the program names it."""

    port: int
    path: str
    connect: bool


@dataclass(frozen=True)
class Spec:
    cpus: int
    memory: int
    """MiB."""
    boot: Kernel | Firmware
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    serial_logs: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()
    vsock_ports: tuple[VsockPort, ...] = ()
    vsock: bool = False
    devices: tuple[str, ...] = ()
    """QEMU's devices without options of ours."""
    descriptors: tuple[int, ...] = ()
    """Inherited by QEMU."""
