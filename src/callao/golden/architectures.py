# SPDX-License-Identifier: GPL-3.0-or-later
"""What a golden image needs to boot on each architecture; a new architecture is one more record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class BootLoader:
    """GRUB for UEFI, on the image's EFI system partition."""

    platform: str
    """GRUB's name of the architecture's UEFI."""
    modules: tuple[str, ...]
    """In addition to those of every image."""
    efi_file: str
    """The file of the removable path, see UEFI 2.10, section 3.5.1.1."""
    packages: Mapping[str, str]
    """A file of GRUB's -> the Debian package that has it. On a host of another architecture it is taken from
    the image's archive, because the package cannot be installed there."""
    bios: bool = False
    """Whether the image boots by BIOS, too."""


@dataclass(frozen=True)
class BootSetup:
    """How an image of one architecture boots, and what its kernel is called."""

    root_type: str
    """UAPI Group, Discoverable Partitions Specification: the type of the root partition."""
    kernel: str
    """Debian's package linux-image-..., the one with every driver."""
    cloud_kernel: str = ""
    """The smaller one for virtual machines, where Debian has it."""
    loader: BootLoader | None = None
    """None where QEMU has to load the kernel itself."""
    console: str = ""
    """The serial console, where ``quick_boot.sh`` does not have udev look at a device of this name."""
    releases: tuple[str, ...] = ("12", "13")
    """Debian's releases that have the architecture."""


BOOT = {
    "x86_64": BootSetup(
        root_type="4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
        kernel="amd64",
        cloud_kernel="cloud-amd64",
        loader=BootLoader(
            platform="x86_64-efi",
            modules=("efi_gop", "efi_uga", "serial", "terminal"),
            efi_file="BOOTX64.EFI",
            packages={
                "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
                "/usr/lib/grub/x86_64-efi/normal.mod": "grub-efi-amd64-bin",
            },
            bios=True,
        ),
    ),
    "aarch64": BootSetup(
        root_type="B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
        kernel="arm64",
        cloud_kernel="cloud-arm64",
        loader=BootLoader(
            platform="arm64-efi",
            modules=("efi_gop",),
            efi_file="BOOTAA64.EFI",
            packages={"/usr/lib/grub/arm64-efi/normal.mod": "grub-efi-arm64-bin"},
        ),
    ),
    "armv7l": BootSetup(root_type="69DAD710-2CE4-4E3C-B16C-21A1D49ABED3", kernel="armmp-lpae"),
    "ppc64le": BootSetup(root_type="C31C45E6-3F39-412E-80FB-4809C4980599", kernel="powerpc64le"),
    "riscv64": BootSetup(
        root_type="72EC70A6-CF74-40E6-BD49-4BDA08E8F224", kernel="riscv64", releases=("13",)
    ),
    "s390x": BootSetup(root_type="5EEAD9A9-FE09-4A1E-A1D7-520D00531306", kernel="s390x", console="ttysclp0"),
}


def grub_packages(arch: str) -> Mapping[str, str]:
    """See :attr:`BootLoader.packages`; none where there is no boot loader, or no such architecture."""
    loader = BOOT[arch].loader if arch in BOOT else None
    return loader.packages if loader is not None else {}
