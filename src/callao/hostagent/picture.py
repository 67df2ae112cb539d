# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts a picture from netpbm's ppm(5), the only form that all versions of QEMU write, to PNG and BMP."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from callao.errors import AgentError

_MAX_BYTES = 96 * 2**20
"""Largest picture that is read, 7680 x 4320 and less: the guest chooses the size of its screen."""

_HEADER = re.compile(rb"P6\s+(\d{1,5})\s+(\d{1,5})\s+255\s")
_HEADER_BYTES = 32

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB_8_BIT = bytes((8, 2, 0, 0, 0))
"""Bit depth, colour type, and the only methods of compression, filter and interlace, see PNG, IHDR."""


class Picture(NamedTuple):
    """Rows from top to bottom, three bytes a pixel: red, green, blue."""

    width: int
    height: int
    pixels: bytes

    def rows(self) -> list[bytes]:
        length = 3 * self.width
        return [self.pixels[place : place + length] for place in range(0, length * self.height, length)]


def read_ppm(file: Path) -> Picture:
    """The picture in a file of QEMU's.

    :raises AgentError: when it is too large, or no picture.
    """
    size = file.stat().st_size
    if size > _MAX_BYTES:
        raise AgentError(
            f"the guest's screen has {size // 3} pixels, and a screenshot at most {_MAX_BYTES // 3}.",
            hint="Choose a smaller resolution in the guest.",
        )
    data = file.read_bytes()
    header = _HEADER.match(data[:_HEADER_BYTES])
    if header is None:
        raise AgentError("the hypervisor's picture of the screen is not in the form ppm.")
    width, height = int(header[1]), int(header[2])
    pixels = data[header.end() :]
    if not width or not height or len(pixels) != 3 * width * height:
        raise AgentError(f"the hypervisor's picture of the screen is no picture of {width} x {height}.")
    return Picture(width, height, pixels)


def as_png(picture: Picture) -> bytes:
    """See the PNG specification: signature, then chunks, each with its CRC."""
    lines = b"".join(b"\0" + row for row in picture.rows())  # each line without a filter
    head = struct.pack(">II", picture.width, picture.height) + _RGB_8_BIT
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def as_bmp(picture: Picture) -> bytes:
    """A Windows bitmap of 24 bits a pixel: rows from the bottom, blue first, each a multiple of 4 bytes."""
    padding = bytes(-3 * picture.width % 4)
    body = b"".join(_blue_first(row) + padding for row in reversed(picture.rows()))
    offset = 14 + 40
    head = struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset)
    info = struct.pack("<IiiHHIIiiII", 40, picture.width, picture.height, 1, 24, 0, len(body), 0, 0, 0, 0)
    return head + info + body


def _blue_first(row: bytes) -> bytes:
    swapped = bytearray(row)
    swapped[0::3], swapped[2::3] = row[2::3], row[0::3]
    return bytes(swapped)


FORMS: Mapping[str, Callable[[Picture], bytes]] = {"png": as_png, "bmp": as_bmp}
"""The encoders, by the name of the form."""
