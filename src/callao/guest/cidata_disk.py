# SPDX-License-Identifier: GPL-3.0-or-later
"""Remounts the disk with cloud-init's seed, labelled cidata: a copied machine has a disk of its own.

It calls mount(2) itself, because starting mount(8) takes a tenth of a second in an emulated guest. It does
not mount at all where systemd has an automount unit: systemd and others are busy for a quarter of a second
after each mount.
"""

import sys

assert sys.platform == "linux"

import ctypes
import fcntl
import os
from pathlib import Path

MOUNT_POINT = "mnt/lima-cidata"
DEVICE = "/dev/disk/by-label/cidata"

BLKFLSBUF = 0x1261
"""ioctl of a block device, see linux/fs.h: drop the cached blocks."""

MS_RDONLY, MNT_DETACH = 1, 2
"""Flags of mount(2) and umount2(2), see sys/mount.h."""


def remount(root: "Path") -> None:
    """Mount the disk that is attached now, and drop what the guest has cached of the previous one. A guest
    without the disk's symbolic link by label mounts it at its next boot.

    :raises OSError: when the kernel refuses.
    """
    mount_point = root / MOUNT_POINT
    if not mount_point.is_dir() or not os.path.exists(DEVICE):  # noqa: PTH110
        return
    target = os.fsencode(str(mount_point))
    kernel = ctypes.CDLL(None, use_errno=True)
    types = mounted_types(root)
    if types[-1:] == ["iso9660"]:
        _check(kernel.umount2(target, MNT_DETACH), str(mount_point))
    with open(DEVICE, "rb") as disk:  # noqa: PTH123
        fcntl.ioctl(disk, BLKFLSBUF)
    if "autofs" not in types:
        source, flags = os.fsencode(DEVICE), ctypes.c_ulong(MS_RDONLY)
        _check(kernel.mount(source, target, b"iso9660", flags, None), str(mount_point))


def mounted_types(root: "Path") -> "list[str]":
    """The types of the file systems mounted there, the topmost last; see proc(5), /proc/pid/mountinfo."""
    found = []
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        where, _, file_system = line.partition(" - ")
        if where.split()[4] == f"/{MOUNT_POINT}":
            found.append(file_system.split()[0])
    return found


def _check(status: int, path: str) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
