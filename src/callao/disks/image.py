# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of an additional disk: its format and size by its own bytes; made, grown and converted."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

from callao.errors import DiskError
from callao.images.formats import ImageFormat
from callao.system import die_with_parent

_MAGIC = b"QFI\xfb"
_HEADER = 4096
"""Bytes, which hold the names of other files, too."""
_DATA_FILE_BIT = 1 << 2
_LAYER = re.compile(rb"datadisk\.[0-9]+")


def form_and_size(path: Path) -> tuple[ImageFormat, int]:
    """The format of an image by its bytes, and the bytes that a guest sees (QEMU: docs/interop/qcow2.txt).

    :raises OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(32)
        if head.startswith(_MAGIC) and len(head) == 32:
            size: int = struct.unpack(">Q", head[24:])[0]
            return ImageFormat.QCOW2, size
        return ImageFormat.RAW, os.fstat(file.fileno()).st_size


def refuse_other_files(path: Path) -> None:
    """Of a qcow2 that a machine is to open: it may stand on layers beside it, and on nothing else.

    :raises DiskError: naming the other file.
    :raises OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER)
    version, offset, length = struct.unpack(">IQI", head[4:20])
    below = head[offset : offset + length] if length else b""
    data_file = version == 3 and struct.unpack(">Q", head[72:80])[0] & _DATA_FILE_BIT
    if data_file or (length and not _LAYER.fullmatch(below)):
        named = "an external data file" if data_file else repr(os.fsdecode(below))
        raise DiskError(
            f"{path} refers to {named}, and a disk may stand on its own layers only.",
            hint="Import it under another name, flattened: qemu-img convert -O qcow2 IN OUT",
        )


def create(path: Path, form: ImageFormat, size: int) -> None:
    """An empty image; a raw one has holes only.

    :raises DiskError: with qemu-img's own words.
    :raises OSError: when a raw one cannot be made.
    """
    if form is ImageFormat.QCOW2:
        qemu_img("create", "-q", "-f", "qcow2", str(path), str(size))
        return
    with path.open("xb") as file:
        file.truncate(size)


def grow(path: Path, form: ImageFormat, size: int) -> None:
    """:raises DiskError: with qemu-img's own words."""
    qemu_img("resize", "-q", "-f", form, str(path), str(size))


def convert(source: Path, source_form: ImageFormat, target: Path, form: ImageFormat) -> None:
    """Copy an image, and compare the copy with it.

    :raises DiskError: when the source is damaged, or the copy differs from it.
    """
    if source_form is ImageFormat.QCOW2:
        qemu_img("check", "-q", "-f", "qcow2", str(source))
    qemu_img("convert", "-q", "-f", source_form, "-O", form, str(source), str(target))
    qemu_img("compare", "-q", "-f", source_form, "-F", form, str(source), str(target))


def qemu_img(*arguments: str) -> None:
    """Run it; it ends with us, as it may write for minutes.

    :raises DiskError: with its own words.
    """
    program = shutil.which("qemu-img")
    if program is None:
        raise DiskError("qemu-img is not on PATH.", hint="Install it (Debian: qemu-utils).")
    done = subprocess.run(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=die_with_parent(),
    )
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()) or f"ended with status {done.returncode}"
        raise DiskError(f"qemu-img {arguments[0]}: {words}")
