# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of an additional disk: its format and size by its own bytes; made, grown and converted."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from callao.errors import DiskError
from callao.images.formats import Form

_MAGIC = b"QFI\xfb"
_SIZE = slice(24, 32)
"""Of a qcow2's header (QEMU: docs/interop/qcow2.txt)."""


def form_and_size(path: Path) -> tuple[Form, int]:
    """The format of an image, and the bytes that a guest sees.

    :raises OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_SIZE.stop)
        if head.startswith(_MAGIC) and len(head) == _SIZE.stop:
            size: int = struct.unpack(">Q", head[_SIZE])[0]
            return Form.QCOW2, size
        return Form.RAW, os.fstat(file.fileno()).st_size


def create(path: Path, form: Form, size: int) -> None:
    """An empty image; a raw one has holes only.

    :raises DiskError: with qemu-img's own words.
    :raises OSError: when a raw one cannot be made.
    """
    if form is Form.QCOW2:
        qemu_img("create", "-q", "-f", "qcow2", str(path), str(size))
        return
    with path.open("xb") as file:
        file.truncate(size)


def grow(path: Path, form: Form, size: int) -> None:
    """:raises DiskError: with qemu-img's own words."""
    qemu_img("resize", "-q", "-f", form, str(path), str(size))


def convert(source: Path, source_form: Form, target: Path, form: Form) -> None:
    """Copy an image, and compare the copy with it.

    :raises DiskError: when the source is damaged, or the copy differs from it.
    """
    if source_form is Form.QCOW2:
        qemu_img("check", "-q", "-f", "qcow2", str(source))
    qemu_img("convert", "-q", "-f", source_form, "-O", form, str(source), str(target))
    qemu_img("compare", "-q", "-f", source_form, "-F", form, str(source), str(target))


def qemu_img(*arguments: str) -> None:
    """:raises DiskError: with its own words."""
    program = shutil.which("qemu-img")
    if program is None:
        raise DiskError("qemu-img is not on PATH.", hint="Install it (Debian: qemu-utils).")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()) or f"ended with status {done.returncode}"
        raise DiskError(f"qemu-img {arguments[0]}: {words}")
