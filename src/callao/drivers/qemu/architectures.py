# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's values for each architecture of a guest. To add an architecture, add a record here."""

from __future__ import annotations

from dataclasses import dataclass

from callao.config import Arch


@dataclass(frozen=True)
class Architecture:
    """``package`` is Debian's, or says which of them."""

    machine: str
    """QEMU's machine type."""
    versioned_machine: str
    """The machine type with a version, as firmware descriptors match it."""
    package: str
    software_cpu: str
    """The CPU model without an accelerator."""
    program: str = ""
    """What the emulator's name has after ``qemu-system-``, where it is not lima.yaml's name."""
    firmware: tuple[tuple[str, str], ...] = ()
    """Code and variables of UEFI: paths on hosts whose packages install no descriptors."""
    firmware_package: str = ""
    """Debian's package with UEFI; empty where the machine is not booted by it here."""
    root_ports: bool = True
    """Whether the machine has a PCI Express bus, whose root ports take devices while it runs."""
    virtio_bus: str = "pci"
    """The end of the names of virtio devices."""
    numa: bool = True
    """Whether the machine can be given memory that is shared with other processes, by ``-numa``."""
    smbios: bool = True
    """Whether the machine has a serial number that the guest can read."""
    probe_exit_status: int | None = None
    """QEMU's exit status when the probe's code has run to its end; None where there is no such code."""


ARCHITECTURES = {
    Arch.X86_64: Architecture(
        machine="q35",
        versioned_machine="pc-q35-7.2",
        package="qemu-system-x86",
        # x86-64-v2: enough for RHEL 9's descendants; RHEL 10 wants v3, by vmOpts.qemu.cpuType. "max" boots
        # slower, for its many features, which the guest's kernel probes one by one. An Intel model, such as
        # Nehalem, makes that kernel guard against Meltdown: each system call takes ten times as long then,
        # for nothing, as an emulator does not speculate. Where there is SVM, it loads KVM, of no use here.
        software_cpu="qemu64,-svm,+ssse3,+sse4.1,+sse4.2,+popcnt",
        firmware=(
            ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
            ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
            ("/opt/homebrew/share/qemu/edk2-x86_64-code.fd", "/opt/homebrew/share/qemu/edk2-i386-vars.fd"),
        ),
        firmware_package="ovmf",
        probe_exit_status=85,  # isa-debug-exit's 2 * 0x2a + 1
    ),
    Arch.AARCH64: Architecture(
        machine="virt",
        versioned_machine="virt-7.2",
        package="qemu-system-arm",
        software_cpu="cortex-a72",
        firmware=(
            ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
            ("/opt/homebrew/share/qemu/edk2-aarch64-code.fd", "/opt/homebrew/share/qemu/edk2-arm-vars.fd"),
        ),
        firmware_package="qemu-efi-aarch64",
        probe_exit_status=0,  # SYSTEM_OFF
    ),
    Arch.ARMV7L: Architecture(
        machine="virt",
        versioned_machine="virt-7.2",
        package="qemu-system-arm",
        software_cpu="cortex-a15",  # of 32 bits, with large physical addresses, which PCI is at; max has 64
        program="arm",
    ),
    Arch.PPC64LE: Architecture(
        machine="pseries",
        versioned_machine="pseries-7.2",
        package="qemu-system-ppc",
        software_cpu="power9",
        program="ppc64",
        root_ports=False,
        smbios=False,
    ),
    Arch.RISCV64: Architecture(
        machine="virt",
        versioned_machine="virt",
        package="qemu-system-misc, from 13 on qemu-system-riscv; and opensbi",
        software_cpu="rv64",
        smbios=False,
    ),
    Arch.S390X: Architecture(
        machine="s390-ccw-virtio",
        versioned_machine="s390-ccw-virtio-7.2",
        package="qemu-system-misc, from 13 on qemu-system-s390x",
        software_cpu="max",
        root_ports=False,
        virtio_bus="ccw",
        numa=False,
        smbios=False,
    ),
}


def find_architecture(name: str) -> Architecture:
    """The record by lima.yaml's name."""
    return ARCHITECTURES[Arch(name)]
