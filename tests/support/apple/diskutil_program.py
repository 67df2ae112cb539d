# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for macOS 26's diskutil(8): ``image create blank``, ``attach``, ``resize``; hdiutil(1).

Its sparse image has Apple's magic bytes and size in its header, and then the disk's bytes as they are. A
file beside it, ``NAME.device``, is the device of an attached one.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

OFFSET = 4096
"""Where the disk's bytes begin."""
MAGIC = b"shdw"
SECTOR = 512
VERSION = "CALLAO_STAND_IN_MACOS"
"""The release of macOS; before 26 there is no such format."""
SUFFIX = ".device"


def main(argv: list[str]) -> int:
    try:
        return _do(argv)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1


def _do(argv: list[str]) -> int:
    match argv:
        case ["image", "create", "blank", "--fs", "none", "--format", "ASIF", "--size", size, path]:
            if int(os.environ.get(VERSION, "26")) < 26:
                sys.stderr.write('diskutil: did not recognize verb "image create"\n')
                return 1
            write_header(_named(path), int(size), new=True)
        case ["image", "attach", "--noMount", path]:
            device = Path(path + SUFFIX)
            with device.open("xb") as file:
                file.truncate(size_of(Path(path)))
            sys.stdout.write(f"{device}\n")
        case ["image", "resize", "--size", size, path]:
            if int(size) < size_of(Path(path)):
                raise ValueError("the size is smaller than the image")
            write_header(Path(path), int(size), new=False)
        case ["detach", path] if path.endswith(SUFFIX):  # hdiutil's
            _take_in(Path(path), Path(path.removesuffix(SUFFIX)))
        case _:
            sys.stderr.write("Usage:  diskutil image <verb> <options>\n")
            return 1
    return 0


def size_of(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(70)
    if not head.startswith(MAGIC):
        raise ValueError(f"{path} is no disk image")
    return int(struct.unpack_from(">Q", head, 48)[0] * struct.unpack_from(">H", head, 68)[0])


def write_header(path: Path, size: int, *, new: bool) -> None:
    header = bytearray(OFFSET)
    header[:4] = MAGIC
    struct.pack_into(">Q", header, 48, size // SECTOR)
    struct.pack_into(">H", header, 68, SECTOR)
    with path.open("xb" if new else "r+b") as file:
        file.write(header)
        file.truncate(OFFSET + size)


def _named(path: str) -> Path:
    """It has its suffix, whatever was asked for."""
    return Path(path if path.endswith(".asif") else f"{path}.asif")


def _take_in(device: Path, image: Path) -> None:
    size = size_of(image)
    if device.stat().st_size != size:
        raise ValueError(f"{device} is not {size} bytes long any more")
    with device.open("rb") as source, image.open("r+b") as target:
        target.seek(OFFSET)
        while piece := source.read(1 << 20):
            if piece.strip(b"\0"):
                target.write(piece)
            else:
                target.seek(len(piece), os.SEEK_CUR)
    device.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
