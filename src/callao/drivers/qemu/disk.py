# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance's disk: a qcow2 overlay on the cached image, and how it grows."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

from callao.errors import DriverError


def virtual_size(path: Path) -> int:
    """Bytes that the guest sees, from the header (QEMU's docs/interop/qcow2.txt: at 24, big-endian).

    :raises DriverError: when it is no qcow2.
    """
    try:
        with path.open("rb") as file:
            header = file.read(32)
    except OSError as error:
        raise DriverError(f"disk {path} cannot be read: {error}.") from error
    if len(header) < 32 or header[:4] != b"QFI\xfb":
        raise DriverError(f"disk {path} is no qcow2.", hint="Replace the instance with 'recreate: true'.")
    size: int = struct.unpack(">Q", header[24:32])[0]
    return size


def create_overlay(disk: Path, base: Path, size: int) -> None:
    """An overlay of at least ``size`` bytes, and no smaller than ``base``, which stays as it is.

    :raises DriverError: with qemu-img's own words.
    """
    size = max(size, virtual_size(base))
    _qemu_img("create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(disk), str(size))


def grow(disk: Path, size: int) -> None:
    """Enlarge to ``size`` bytes; a disk that has them already stays as it is."""
    if virtual_size(disk) < size:
        _qemu_img("resize", "-q", "-f", "qcow2", str(disk), str(size))


def convert_to_raw(source: Path, source_format: str, target: Path) -> None:
    """Copy ``source`` into a raw image.

    :raises DriverError: with qemu-img's own words.
    """
    _qemu_img("convert", "-q", "-f", source_format, "-O", "raw", str(source), str(target))


def _qemu_img(*arguments: str) -> None:
    program = shutil.which("qemu-img")
    if program is None:
        raise DriverError("qemu-img is not on PATH.", hint="Install it (Debian: qemu-utils).")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DriverError(f"qemu-img {arguments[0]}: {done.stderr.strip()}")
