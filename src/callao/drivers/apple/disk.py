# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance's disk, raw with holes or Apple's sparse image: made of the instance's image, and grown."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from callao.config.sizes import format_size
from callao.disks.image import form_and_size, qemu_img
from callao.drivers.apple import asif
from callao.errors import ConfigError, DiskError, DriverError, ImageFormatError, Problem
from callao.images.formats import ImageFormat, detect_format
from callao.reflink import copy_reflink


def create(disk: Path, image: Path, size: int, location: str, *, sparse: bool = False) -> None:
    """Copy an image; the disk has at least ``size`` bytes.

    :param location: what people call the image.
    :param sparse: make Apple's sparse image, where this host can.
    :raises ConfigError: when the image has more bytes.
    :raises DriverError: when that cannot be done.
    """
    try:
        form = detect_format(image, location)
        _, least = form_and_size(image)
        if size < least:
            allowed = f"at least {format_size(least)}, or another image"
            raise ConfigError([Problem("disk", size, f"bytes are fewer than {location} has", allowed)])
        if sparse and asif.make(disk, size):
            asif.fill(disk, image, form)
        elif form is ImageFormat.RAW:
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
        if asif.is_asif(disk):
            asif.grow(disk, size)
        elif disk.stat().st_size < size:
            os.truncate(disk, size)
    except OSError as error:
        raise DriverError(f"the disk {disk} cannot grow to {format_size(size)}: {error}.") from error


def converter() -> str:
    """What is wrong with the host's qemu-img, with its remedy; empty when nothing is."""
    if shutil.which("qemu-img") is None:
        return "qemu-img is not on PATH: install it (Homebrew: qemu), to make a raw disk of a qcow2 image."
    return ""
