# SPDX-License-Identifier: GPL-3.0-or-later
"""Detects the format of an image by its content, without other programs or the files that it refers to."""

from __future__ import annotations

import enum
import os
import struct
from pathlib import Path

from callao.errors import ImageFormatError

SECTOR = 512

_TEXT_PREFIXES = (b"<!doc", b"<html", b"<?xml", b"{", b"#!")

_OTHER_FORMATS = {
    "VMDK": (0, (b"KDMV", b"COWD", b"# disk descriptorfile")),
    "QED": (0, (b"QED\0",)),
    "VHD": (0, (b"conectix",)),
    "VHDX": (0, (b"vhdxfile",)),
    "VDI": (0x40, (b"\x7f\x10\xda\xbe",)),
    "Parallels": (0, (b"WithoutFreeSpace", b"WithouFreSpacExt")),
    "Bochs": (0, (b"Bochs Virtual HD Image",)),
    "cloop": (0, (b"#!/bin/sh\n#V2.0 Format\n",)),
    "LUKS": (0, (b"LUKS\xba\xbe",)),
    "Apple disk image (.dmg)": (-SECTOR, (b"koly",)),
    "archive within an archive": (0, (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")),
}
"""By name: the offset and the signatures of each format (QEMU: block/*.c, the probes), in any case."""

# QEMU: docs/interop/qcow2.txt
_QCOW2 = b"QFI\xfb"
_LENGTH_OF_2, _LENGTH_OF_3 = 72, 104
_DATA_FILE_BIT = 1 << 2
_END, _DATA_FILE = 0, 0x44415441
_LARGEST_HEADER = 1 << 16


class ImageFormat(enum.StrEnum):
    """The allowed formats of images, by QEMU's names. An ISO is raw."""

    QCOW2 = "qcow2"
    RAW = "raw"


def detect_format(path: Path, location: str) -> ImageFormat:
    """The format of an image that is not compressed.

    :param location: the name of the file for messages.
    :raises ImageFormatError: when the format is not allowed, or a qcow2 refers to other files.
    """
    with path.open("rb") as file:
        head = file.read(_LARGEST_HEADER)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - SECTOR, 0))
        tail = file.read(SECTOR)
    if head.startswith(_QCOW2):
        _refuse_references(head, location)
        return ImageFormat.QCOW2
    for name, (offset, signatures) in _OTHER_FORMATS.items():
        at = tail if offset < 0 else head[offset : offset + 32]
        if at.lower().startswith(tuple(each.lower() for each in signatures)):
            raise ImageFormatError(
                f"{location} is no disk image that can be used: it is a {name} (allowed: qcow2, raw, ISO).",
                hint="Convert it yourself, if you trust it: qemu-img convert -f FORMAT -O qcow2 IN OUT",
            )
    _refuse_text(head, size, location)
    return ImageFormat.RAW


def _refuse_references(head: bytes, location: str) -> None:
    """Refuse references to other files, because QEMU would read those with the user's permissions."""
    if len(head) < _LENGTH_OF_2 or (head[7] != 2 and len(head) < _LENGTH_OF_3):
        raise ImageFormatError(f"{location} is a damaged image: its header is cut off.")
    version, backing_at, backing_length = struct.unpack_from(">IQI", head, 4)
    (crypt,) = struct.unpack_from(">I", head, 32)
    if version not in (2, 3):
        raise ImageFormatError(f"{location} is a qcow2 of version {version} (allowed: 2, 3).")
    data_file = version == 3 and struct.unpack_from(">Q", head, 72)[0] & _DATA_FILE_BIT
    other = head[backing_at : backing_at + min(backing_length, 1023)] if backing_at else b""
    other = _external_data_file(head, version) or other
    if other or backing_at or data_file:
        name = other.decode("utf-8", "replace")
        raise ImageFormatError(
            f"{location} refers to another file, {name!r}, and an image must not do that.",
            hint="Flatten it: qemu-img convert -O qcow2 IN OUT",
        )
    if crypt:
        raise ImageFormatError(
            f"{location} is encrypted, and nothing here has its key.",
            hint="Decrypt it: qemu-img convert -O qcow2 IN OUT",
        )


def _external_data_file(head: bytes, version: int) -> bytes:
    """The name of the external data file; empty where there is none."""
    at = struct.unpack_from(">I", head, 100)[0] if version == 3 else _LENGTH_OF_2
    while 0 < at <= len(head) - 8:
        kind, length = struct.unpack_from(">II", head, at)
        if kind == _END:
            break
        if kind == _DATA_FILE:
            return head[at + 8 : at + 8 + min(length, 1023)]
        at += 8 + (length + 7) // 8 * 8
    return b""


def _refuse_text(head: bytes, size: int, location: str) -> None:
    """Text is not taken for a raw image: a server may send a page of its own in place of the image.

    A file of this host may have any size, as for Lima: QEMU reads its last sector filled up with zeros.
    """
    start = head[:64].lstrip()
    downloaded = location.startswith(("http://", "https://"))
    odd_size = size % SECTOR or size < 2 * SECTOR
    if start.lower().startswith(_TEXT_PREFIXES) or not size or (downloaded and odd_size):
        text = start[:1] in (b"<", b"{", b"#")
        what = "text, such as HTML or a script" if text else f"{size} bytes of something else"
        if downloaded:
            hint = "Open the URL in a browser: servers often send a login page in place of the file."
        else:
            hint = "Give the path of a disk image (allowed: qcow2, raw, ISO)."
        raise ImageFormatError(f"{location} is no disk image: it is {what}.", hint=hint)
