# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts a disk image to a qcow2 without a backing file; refuses other files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

from callao.atomic import put_in_place
from callao.errors import ImageError, ImageFormatError
from callao.images.cache import staging_dir
from callao.images.decompress import compression_of, decompress
from callao.images.formats import ImageFormat, detect_format


def usable_as_is(path: Path, location: str) -> bool:
    """Whether a file can be a base image as it is: a qcow2 that is not inside an archive.

    :raises ImageFormatError: for a file that is no image, or refers to other files of this host.
    """
    if compression_of(path) is not None or detect_format(path, location) is not ImageFormat.QCOW2:
        return False
    _refuse_damaged(path, location)
    return True


def to_qcow2(source: Path, target: Path, location: str) -> None:
    """Make ``target`` atomically; compressed files are unpacked first.

    :param location: the name of the source for messages.
    :raises ImageFormatError: when it is no disk image.
    :raises OSError: when the disk is full.
    """
    with staging_dir(target) as folder:
        kind = compression_of(source)
        unpacked = source
        if kind is not None:
            unpacked = folder / "unpacked"
            decompress(source, unpacked, kind, location)
        done = folder / "disk.qcow2"
        if detect_format(unpacked, location) is ImageFormat.QCOW2:
            _refuse_damaged(unpacked, location)
            unpacked.replace(done) if unpacked != source else shutil.copyfile(unpacked, done)
        else:
            _convert_raw(unpacked, done, location)
        done.chmod(0o444)
        put_in_place(done, target)


def _convert_raw(raw: Path, done: Path, location: str) -> None:
    words = _run_qemu_img("convert", "-f", "raw", "-O", "qcow2", str(raw), str(done))
    if os.strerror(errno.ENOSPC) in words:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if words:
        raise ImageFormatError(f"{location} cannot be converted to qcow2: {words}")


def _refuse_damaged(path: Path, location: str) -> None:
    words = _run_qemu_img("info", "-f", "qcow2", str(path))
    if words:
        raise ImageFormatError(f"{location} is a damaged image: {words}")


def _run_qemu_img(*arguments: str) -> str:
    """Run qemu-img; returns its error message, empty when it succeeded."""
    program = shutil.which("qemu-img")
    if program is None:
        raise ImageError("qemu-img is not on PATH.", hint="Install it (Debian: qemu-utils).")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return (done.stderr.strip() or f"status {done.returncode}") if done.returncode else ""
