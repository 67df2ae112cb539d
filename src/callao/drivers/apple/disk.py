# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance's disk: a raw file with holes, made of its image, and how it grows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from callao.config.sizes import format_size
from callao.disks.image import form_and_size, qemu_img
from callao.errors import ConfigError, DiskError, DriverError, ImageFormatError, Problem
from callao.images.formats import ImageFormat, detect_format
from callao.reflink import copy_reflink


def create(disk: Path, image: Path, size: int, location: str) -> None:
    """Copy an image; the file has at least ``size`` bytes.

    :param location: what people call the image.
    :raises ConfigError: when the image has more bytes.
    :raises DriverError: when that cannot be done.
    """
    try:
        form = detect_format(image, location)
        _, least = form_and_size(image)
        if size < least:
            allowed = f"at least {format_size(least)}, or another image"
            raise ConfigError([Problem("disk", size, f"bytes are fewer than {location} has", allowed)])
        if form is ImageFormat.RAW:
            copy_reflink(image, disk)
        else:  # zeros become holes, by qemu-img's own default
            qemu_img("convert", "-q", "-f", "qcow2", "-O", "raw", str(image), str(disk))
    except (OSError, ImageFormatError, DiskError) as error:
        raise DriverError(f"the disk {disk} cannot be made of {location}: {error}.") from error
    grow(disk, size)


def grow(disk: Path, size: int) -> None:
    """Enlarge to ``size`` bytes by a hole; a disk that has them already stays as it is.

    :raises DriverError: when that cannot be done.
    """
    try:
        if disk.stat().st_size < size:
            os.truncate(disk, size)
    except OSError as error:
        raise DriverError(f"the disk {disk} cannot grow to {format_size(size)}: {error}.") from error


def converter() -> str:
    """What is wrong with the host's qemu-img, with its remedy; empty when nothing is."""
    if shutil.which("qemu-img") is None:
        return "qemu-img is not on PATH: install it (Homebrew: qemu), to make a raw disk of a qcow2 image."
    return ""
