# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for macOS, typed: one list of devices, which the dialects of vfkit and krunkit render."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from callao.images.formats import ImageFormat

SSH_PORT = 22
"""On which systemd's sshd socket listens in a guest's virtual socket address family, as in Lima."""

PROGRAM_PORT = 2222
"""On which the guest's program listens there, as in Lima."""


@dataclass(frozen=True)
class Efi:
    """UEFI; ``store`` holds its variables, and is made when it does not exist."""

    store: Path


@dataclass(frozen=True)
class DirectKernel:
    """A kernel that is loaded without firmware."""

    kernel: Path
    initrd: Path | None = None
    cmdline: str = ""


@dataclass(frozen=True)
class FirmwareOfTool:
    """The program's own firmware, which needs no file of the instance."""


Bootloader: TypeAlias = Efi | DirectKernel | FirmwareOfTool


@dataclass(frozen=True)
class Disk:
    """A block device; the first one is what the firmware boots.

    ``serial`` is the number by which the guest finds it.
    """

    path: Path
    form: ImageFormat = ImageFormat.RAW
    readonly: bool = False
    serial: str = ""


@dataclass(frozen=True)
class Nat:
    """macOS's own network with NAT: its DHCP server gives the guest an address."""


@dataclass(frozen=True)
class Switch:
    """A datagram socket at which gvproxy, or a program with the same handshake, takes frames."""

    path: Path


@dataclass(frozen=True)
class Datagrams:
    """An inherited descriptor of a connected datagram socket; each datagram is a frame."""

    descriptor: int


@dataclass(frozen=True)
class Nic:
    mac_address: str
    uplink: Nat | Switch | Datagrams


@dataclass(frozen=True)
class Vsock:
    """A port in the guest that the host connects to through a unix socket."""

    port: int
    socket: Path


@dataclass(frozen=True)
class SharedDirectory:
    """``own_permissions`` lets the guest have owners and modes that the host's files do not have."""

    directory: Path
    tag: str
    readonly: bool = False
    own_permissions: bool = False


@dataclass(frozen=True)
class Rosetta:
    """Apple's translator of x86-64 programs, shared as a directory; left out where it is not installed."""

    tag: str


@dataclass(frozen=True)
class SerialLog:
    path: Path


@dataclass(frozen=True)
class Entropy:
    """A source of random numbers."""


@dataclass(frozen=True)
class Balloon:
    """Lets the host ask for memory back."""


@dataclass(frozen=True)
class Gpu:
    width: int = 1280
    height: int = 800


@dataclass(frozen=True)
class Keyboard:
    """A USB keyboard."""


@dataclass(frozen=True)
class Pointer:
    """A USB pointing device with absolute coordinates."""


@dataclass(frozen=True)
class Sound:
    """``audio.device``."""


Device: TypeAlias = (
    Disk
    | Nic
    | Vsock
    | SharedDirectory
    | Rosetta
    | SerialLog
    | Entropy
    | Balloon
    | Gpu
    | Keyboard
    | Pointer
    | Sound
)


@dataclass(frozen=True)
class VirtualMachine:
    """``memory`` is in bytes, ``rest`` the unix socket of the program's REST service, None for no service.
    ``pid_file`` is one that the program writes just before its machine runs.

    ``window`` shows the guest's screen.
    """

    cpus: int
    memory: int
    bootloader: Bootloader
    devices: tuple[Device, ...]
    rest: Path | None = None
    pid_file: Path | None = None
    nested: bool = False
    window: bool = False
