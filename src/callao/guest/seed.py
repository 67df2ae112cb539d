# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed's disk, where the boot scripts have it: another one after the machine was copied.

By mount(2) itself: mount(8) is another program to start, a tenth of a second in an emulated guest. And not
at all where systemd mounts it for whoever looks: it and others look around for a quarter of a second after
each mount.
"""

import sys

assert sys.platform == "linux"

import ctypes
import fcntl
import os
from pathlib import Path

FOLDER = "mnt/lima-cidata"
DEVICE = "/dev/disk/by-label/cidata"

BLKFLSBUF = 0x1261
"""ioctl of a block device, see linux/fs.h: forget what is cached of it."""

MS_RDONLY, MNT_DETACH = 1, 2
"""Flags of mount(2) and umount2(2), see sys/mount.h."""


def remount(root: "Path") -> None:
    """Show the disk that is there now; what the guest remembers of the one before is forgotten. A guest that
    has no name for that disk sees it at its next boot.

    :raises OSError: with the kernel's reason.
    """
    folder = root / FOLDER
    if not folder.is_dir() or not os.path.exists(DEVICE):  # noqa: PTH110
        return
    target = os.fsencode(str(folder))
    kernel = ctypes.CDLL(None, use_errno=True)
    mounted = types(root)
    if mounted[-1:] == ["iso9660"]:
        _check(kernel.umount2(target, MNT_DETACH), str(folder))
    with open(DEVICE, "rb") as disk:  # noqa: PTH123
        fcntl.ioctl(disk, BLKFLSBUF)
    if "autofs" not in mounted:
        source, flags = os.fsencode(DEVICE), ctypes.c_ulong(MS_RDONLY)
        _check(kernel.mount(source, target, b"iso9660", flags, None), str(folder))


def types(root: "Path") -> "list[str]":
    """Of what is mounted there, the last on top; see proc(5), /proc/pid/mountinfo."""
    found = []
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        where, _, what = line.partition(" - ")
        if where.split()[4] == f"/{FOLDER}":
            found.append(what.split()[0])
    return found


def _check(refused: int, path: str) -> None:
    if refused:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
