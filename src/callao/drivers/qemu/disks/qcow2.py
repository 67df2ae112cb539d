# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads qcow2 headers, and creates and changes qcow2 files by qemu-img."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from callao.errors import DriverError

_MAGIC = b"QFI\xfb"

_HEADER_SIZE = 4096
"""Bytes to read: the backing file's name is in the first cluster, and qemu-img writes it near the
beginning."""


def virtual_size(path: Path) -> int:
    """Bytes that the guest sees, from the header (QEMU's docs/interop/qcow2.txt: at 24, big-endian).

    :raises DriverError: when it is no qcow2.
    """
    size: int = struct.unpack(">Q", _header(path)[24:32])[0]
    return size


def backing_file(path: Path) -> Path | None:
    """The backing file of an overlay. A name without a folder means the overlay's folder.

    :raises DriverError: when it is no qcow2.
    """
    name = backing_name(path)
    if not name:
        return None
    return Path(os.path.realpath(path.parent / name)) if ".." in name.split("/") else path.parent / name


def backing_name(path: Path) -> str:
    """The backing file's name in the header, empty for none (see qcow2.txt: its offset at 8, its length at
    16).

    :raises DriverError: when it is no qcow2.
    """
    header = _header(path)
    offset, length = struct.unpack(">QI", header[8:20])
    name = header[offset : offset + length]
    return os.fsdecode(name) if length and len(name) == length else ""


def backing_name_for(base: Path, folder: Path, home: Path) -> str:
    """The name by which a disk in ``folder`` refers to its backing file: relative where both are below the
    same LIMA_HOME, which can then be moved, and absolute where a symbolic link leads out of it.
    """
    if not (folder.is_relative_to(home) and base.is_relative_to(home)):
        return str(base)
    if folder.resolve() != home.resolve() / folder.relative_to(home):
        return str(base)
    return os.path.relpath(base, folder)


def rename_backing_file(disk: Path, name: str) -> None:
    """Change the backing file's name in an overlay's header, without changing content; nobody may have the
    overlay open.

    :raises DriverError: with qemu-img's message.
    """
    _qemu_img("rebase", "-q", "-u", "-f", "qcow2", "-b", name, "-F", "qcow2", str(disk))


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_SIZE)
    except OSError as error:
        raise DriverError(f"disk {path} cannot be read: {error}.") from error
    if len(header) < 32 or header[:4] != _MAGIC:
        raise DriverError(f"disk {path} is no qcow2.", hint="Replace the instance with 'recreate: true'.")
    return header


def create_overlay(disk: Path, base: Path, size: int) -> None:
    """Create an overlay of at least ``size`` bytes, and no smaller than ``base``, which is not changed.

    :raises DriverError: with qemu-img's own words.
    """
    size = max(size, virtual_size(base))
    name = backing_name_for(base, disk.parent, disk.parent.parent)
    _qemu_img("create", "-q", "-f", "qcow2", "-b", name, "-F", "qcow2", str(disk), str(size))


def create_layer(disk: Path, backing: Path) -> None:
    """Create an overlay on a file of the same folder, by its name alone, so that the folder can be moved.

    ``backing`` may be in use.

    :raises DriverError: with qemu-img's own words.
    """
    size = str(virtual_size(backing))
    _qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", backing.name, "-F", "qcow2", str(disk), size)


def is_qcow2(path: Path) -> bool:
    """Whether the file has qcow2's magic number."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise DriverError(f"disk {path} cannot be read: {error}.") from error


def enlarge(disk: Path, size: int) -> None:
    """Enlarge a disk to ``size`` bytes; one that is at least that large is not changed."""
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
    result = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DriverError(f"qemu-img {arguments[0]}: {result.stderr.strip()}")
