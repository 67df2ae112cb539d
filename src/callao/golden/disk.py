# SPDX-License-Identifier: GPL-3.0-or-later
"""A bootable disk from a root directory: GPT, an ESP, ext4; no loop device, no mount, no root.

Boots by BIOS (GRUB in the protective MBR and the bios_grub partition) and by UEFI (GRUB at the
removable path), where the architecture has a boot loader here. The root partition is the last, so that
growpart can enlarge it.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from callao.errors import ImageError
from callao.golden.architectures import BOOT, BootLoader
from callao.golden.run import as_root, run

GRUB = Path("/usr/lib/grub")
"""Where Debian's packages have GRUB's modules."""

_SECTOR = 512
_MIB = 2**20
_SIZE = 2048 * _MIB
_BIOS_START, _ESP_START, _ROOT_START = 1 * _MIB, 4 * _MIB, 68 * _MIB

_ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_BIOS_TYPE = "21686148-6449-6E6F-744E-656564454649"

_EARLY_CONFIG = "search.fs_label root root\nset prefix=($root)/boot/grub\n"
_MODULES = (
    "part_gpt",
    "ext2",
    "fat",
    "normal",
    "linux",
    "boot",
    "search",
    "search_label",
    "configfile",
    "echo",
    "test",
    "gzio",
)


def sfdisk_script(arch: str) -> str:
    """The partition table, see sfdisk(8); sectors of 512 bytes."""
    bios, esp, root = (start // _SECTOR for start in (_BIOS_START, _ESP_START, _ROOT_START))
    return (
        "label: gpt\n"
        f"start={bios}, size={esp - bios}, type={_BIOS_TYPE}, name=bios\n"
        f"start={esp}, size={root - esp}, type={_ESP_TYPE}, name=esp\n"
        f"start={root}, type={BOOT[arch].root_type}, name=root\n"
    )


def make_disk(tar: Path, disk: Path, arch: str, work: Path, grub: Path = GRUB) -> None:
    """Fill ``disk``, a raw image, from the root archive ``tar``; ``work`` is an empty folder for scratch.

    :param grub: the folder of GRUB's modules, one folder a platform.

    :raises ImageError: when a tool fails.
    """
    with disk.open("wb") as file:
        file.truncate(_SIZE)
    _partition(disk, arch)
    _write_root_partition(tar, disk, work)
    loader = BOOT[arch].loader
    if loader is not None:
        _write_esp(disk, loader, work, grub)
        if loader.bios:
            _write_bios_boot(disk, work, grub)


def _partition(disk: Path, arch: str) -> None:
    argv = ["/usr/sbin/sfdisk", "--quiet", str(disk)]
    done = subprocess.run(argv, input=sfdisk_script(arch), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageError(f"sfdisk failed: {done.stderr.strip()}")


def _write_root_partition(tar: Path, disk: Path, work: Path) -> None:
    """Unpack and make the file system in one user namespace, because file owners differ outside."""
    kib = (_SIZE - _ROOT_START - _MIB) // 1024
    script = (
        'set -e; mkdir "$2"; tar -xpf "$1" -C "$2" --numeric-owner --exclude="./dev/*"; '
        'mke2fs -q -F -t ext4 -L root -m 1 -d "$2" -E "offset=$4,lazy_itable_init=1" "$3" "$5"; rm -rf "$2"'
    )
    arguments = [str(tar), str(work / "root"), str(disk), str(_ROOT_START), f"{kib}k"]
    run(as_root(["sh", "-c", script, "sh", *arguments]))


def _write_esp(disk: Path, loader: BootLoader, work: Path, grub: Path) -> None:
    image = work / loader.efi_file
    _grub_mkimage(grub / loader.platform, image, work, "/EFI/BOOT", loader.modules)
    at = f"{disk}@@{_ESP_START}"
    sectors = (_ROOT_START - _ESP_START) // _SECTOR
    run(["mformat", "-i", at, "-F", "-T", str(sectors), "-h", "64", "-s", "32", "-v", "ESP", "::"])
    run(["mmd", "-i", at, "::/EFI", "::/EFI/BOOT"])
    run(["mcopy", "-i", at, str(image), f"::/EFI/BOOT/{loader.efi_file}"])


def _write_bios_boot(disk: Path, work: Path, grub: Path) -> None:
    core = work / "core.img"
    _grub_mkimage(grub / "i386-pc", core, work, "/boot/grub", ("biosdisk", "serial", "terminal"))
    boot = (grub / "i386-pc" / "boot.img").read_bytes()
    start = _BIOS_START // _SECTOR
    with disk.open("r+b") as file:
        table = file.read(_SECTOR)
        file.seek(0)
        file.write(boot_sector(boot, table, start))
        file.seek(_BIOS_START)
        file.write(core_image(core.read_bytes(), start))


def boot_sector(boot: bytes, table: bytes, core_sector: int) -> bytes:
    """Sector 0: GRUB's boot.img with the core image's sector at 0x5c, over the disk's own MBR table.

    See grub-core/boot/i386/pc/boot.S and include/grub/i386/pc/boot.h: the code ends at 0x1b8.
    """
    sector = bytearray(boot[:_SECTOR])
    sector[0x5C:0x64] = struct.pack("<Q", core_sector)
    sector[0x1B8:] = table[0x1B8:]
    return bytes(sector)


def core_image(core: bytes, core_sector: int) -> bytes:
    """core.img with the block list of its first sector: where the rest is, and how long.

    See grub-core/boot/i386/pc/diskboot.S: at 0x1f4 a 64-bit sector, a 16-bit count, and 0x820 as segment.
    """
    padded = core + b"\0" * (-len(core) % _SECTOR)
    blocks = struct.pack("<QHH", core_sector + 1, len(padded) // _SECTOR - 1, 0x820)
    return padded[:0x1F4] + blocks + padded[0x200:]


def _grub_mkimage(modules: Path, output: Path, work: Path, prefix: str, extra: tuple[str, ...]) -> None:
    early = work / f"{modules.name}.cfg"
    early.write_text(_EARLY_CONFIG)
    argv = [
        "grub-mkimage",
        "-d",
        str(modules),
        "-O",
        modules.name,
        "-o",
        str(output),
        "-p",
        prefix,
        "-c",
        str(early),
    ]
    argv += [*_MODULES, *extra]
    run(argv)
