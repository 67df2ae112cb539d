# SPDX-License-Identifier: GPL-3.0-or-later
"""What a golden image needs to boot on each architecture; a new architecture is one more record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class BootSetup:
    """The boot loader of one architecture, and the identifiers that UEFI and systemd use."""

    root_type: str
    """UAPI Group, Discoverable Partitions Specification: the type of the root partition."""
    grub_platform: str
    """GRUB's name of the architecture's UEFI."""
    grub_modules: tuple[str, ...]
    """In addition to those of every image."""
    efi_file: str
    """The file of the removable path, see UEFI 2.10, section 3.5.1.1."""
    packages: Mapping[str, str]
    """A file of GRUB's -> the Debian package that has it. On a host of another architecture it is taken from
    the image's archive, because the package cannot be installed there."""
    bios: bool = False
    """Whether the image boots by BIOS, too."""


BOOT = {
    "x86_64": BootSetup(
        root_type="4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
        grub_platform="x86_64-efi",
        grub_modules=("efi_gop", "efi_uga", "serial", "terminal"),
        efi_file="BOOTX64.EFI",
        packages={
            "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
            "/usr/lib/grub/x86_64-efi/normal.mod": "grub-efi-amd64-bin",
        },
        bios=True,
    ),
    "aarch64": BootSetup(
        root_type="B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
        grub_platform="arm64-efi",
        grub_modules=("efi_gop",),
        efi_file="BOOTAA64.EFI",
        packages={"/usr/lib/grub/arm64-efi/normal.mod": "grub-efi-arm64-bin"},
    ),
}
