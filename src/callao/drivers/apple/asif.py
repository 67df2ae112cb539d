# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks in Apple's sparse image format, which macOS 26 and newer make, by diskutil(8) and hdiutil(1).

The file has the blocks that were written alone, also where a file system keeps no holes, as on an external
drive or in a copy over the network.
"""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess
from pathlib import Path

from callao.disks.image import qemu_img
from callao.errors import DiskError, DriverError
from callao.images.formats import ImageFormat
from callao.printable import printable

_MAGIC = b"shdw"
_HEADER = 70
_SECTORS, _SECTOR_SIZE = 48, 68
"""Where the header has the number of sectors in 64 bits, and a sector's bytes in 16, both big-endian."""
_SECTOR = 512
_SUFFIX = ".asif"
"""diskutil adds it to a name that has another one."""


def is_asif(disk: Path) -> bool:
    """Whether a disk is of this format; a disk that cannot be read is not."""
    try:
        with disk.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def size_of(disk: Path) -> int:
    """The bytes that a guest sees.

    :raises OSError: when it cannot be read.
    """
    with disk.open("rb") as file:
        head = file.read(_HEADER)
    if len(head) < _HEADER:
        return 0
    (sectors,) = struct.unpack_from(">Q", head, _SECTORS)
    (size,) = struct.unpack_from(">H", head, _SECTOR_SIZE)
    return int(sectors * size)


def make(disk: Path, size: int) -> bool:
    """Make an empty disk; False where this host makes none of the format."""
    if shutil.which("diskutil") is None or shutil.which("hdiutil") is None:
        return False
    named = disk.with_name(disk.name + _SUFFIX)
    with contextlib.suppress(DriverError):  # as before macOS 26, whose diskutil knows no such verb
        _run("diskutil", "image", "create", "blank", "--fs", "none", "--format", "ASIF",
             "--size", _whole_sectors(size), str(disk))  # fmt: skip
        if not disk.exists() and named.exists():
            named.rename(disk)
    if is_asif(disk):
        return True
    for each in (disk, named):
        each.unlink(missing_ok=True)
    return False


def fill(disk: Path, image: Path, form: ImageFormat) -> None:
    """Copy an image into an empty disk.

    :raises DriverError: when that cannot be done; nothing is attached then.
    """
    device = _run("diskutil", "image", "attach", "--noMount", str(disk)).strip()
    try:
        if not device.startswith("/") or not device.isprintable():
            raise DriverError(f"diskutil names no device for {disk}: {printable(device)!r}")
        # A new one reads as zeros, which are not written: they would take space.
        qemu_img(
            "convert", "-q", "-n", "--target-is-zero", "-f", form.value, "-O", "raw", str(image), device
        )
    except DiskError as error:
        _detach(device)
        raise DriverError(str(error)) from error
    except BaseException:
        _detach(device)
        raise
    _run("hdiutil", "detach", device)


def grow(disk: Path, size: int) -> None:
    """Enlarge to ``size`` bytes; a disk that has them already stays as it is.

    :raises DriverError: when that cannot be done.
    """
    if size_of(disk) < size:
        _run("diskutil", "image", "resize", "--size", _whole_sectors(size), str(disk))


def _whole_sectors(size: int) -> str:
    return str(-(-size // _SECTOR) * _SECTOR)


def _detach(device: str) -> None:
    with contextlib.suppress(DriverError):
        _run("hdiutil", "detach", device)


def _run(*argv: str) -> str:
    """What the program prints.

    :raises DriverError: with its own words when it fails.
    """
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise DriverError(f"{argv[0]} cannot be started: {error.strerror}.") from error
    if done.returncode != 0:
        words = printable(done.stderr.strip() or done.stdout.strip()) or f"status {done.returncode}"
        raise DriverError(f"{argv[0]} {argv[1]}: {words}")
    return done.stdout
