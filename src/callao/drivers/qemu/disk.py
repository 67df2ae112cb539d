# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance's disk: a qcow2 overlay on the cached image, and how it grows."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from callao.errors import DriverError

_MAGIC = b"QFI\xfb"

_HEADER = 4096
"""Bytes; backing file names lie in the first cluster, and ours close to its beginning."""


def virtual_size(path: Path) -> int:
    """Bytes that the guest sees, from the header (QEMU's docs/interop/qcow2.txt: at 24, big-endian).

    :raises DriverError: when it is no qcow2.
    """
    size: int = struct.unpack(">Q", _header(path)[24:32])[0]
    return size


def backing_file(path: Path) -> Path | None:
    """The file that an overlay is on. One that is named without a folder lies beside the overlay.

    :raises DriverError: when it is no qcow2.
    """
    name = backing_name(path)
    if not name:
        return None
    return Path(os.path.realpath(path.parent / name)) if ".." in name.split("/") else path.parent / name


def backing_name(path: Path) -> str:
    """That file as the overlay names it, empty for none (same text: its offset at 8, its length at 16).

    :raises DriverError: when it is no qcow2.
    """
    header = _header(path)
    offset, length = struct.unpack(">QI", header[8:20])
    name = header[offset : offset + length]
    return os.fsdecode(name) if length and len(name) == length else ""


def name_for(base: Path, folder: Path, home: Path) -> str:
    """How a disk in ``folder`` is to name its base: relatively where both are below the same LIMA_HOME,
    which may then move. Not where a link leads out of it.
    """
    if not (folder.is_relative_to(home) and base.is_relative_to(home)):
        return str(base)
    if folder.resolve() != home.resolve() / folder.relative_to(home):
        return str(base)
    return os.path.relpath(base, folder)


def rebase(disk: Path, name: str) -> None:
    """Change what an overlay calls its base, whose content is the same; nobody may have it open.

    :raises DriverError: with qemu-img's own words.
    """
    _qemu_img("rebase", "-q", "-u", "-f", "qcow2", "-b", name, "-F", "qcow2", str(disk))


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except OSError as error:
        raise DriverError(f"disk {path} cannot be read: {error}.") from error
    if len(header) < 32 or header[:4] != _MAGIC:
        raise DriverError(f"disk {path} is no qcow2.", hint="Replace the instance with 'recreate: true'.")
    return header


def create_overlay(disk: Path, base: Path, size: int) -> None:
    """An overlay of at least ``size`` bytes, and no smaller than ``base``, which stays as it is.

    :raises DriverError: with qemu-img's own words.
    """
    size = max(size, virtual_size(base))
    name = name_for(base, disk.parent, disk.parent.parent)
    _qemu_img("create", "-q", "-f", "qcow2", "-b", name, "-F", "qcow2", str(disk), str(size))


def create_layer(disk: Path, below: Path) -> None:
    """An overlay on a file of the same folder, found by its name alone: the folder may move.

    ``below`` may be in use.

    :raises DriverError: with qemu-img's own words.
    """
    size = str(virtual_size(below))
    _qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", below.name, "-F", "qcow2", str(disk), size)


def is_qcow2(path: Path) -> bool:
    """By its magic number."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise DriverError(f"disk {path} cannot be read: {error}.") from error


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
