# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed images, told by their first bytes and unpacked as a stream."""

from __future__ import annotations

import enum
import lzma
import zlib
from pathlib import Path
from typing import IO, Any, cast

from callao.errors import ImageFormatError


class Compression(enum.StrEnum):
    """What images come packed with, and the bytes that such a file begins with."""

    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"


_MAGIC = {
    b"\x1f\x8b": Compression.GZIP,
    b"BZh": Compression.BZIP2,
    b"\xfd7zXZ\x00": Compression.XZ,
    b"\x28\xb5\x2f\xfd": Compression.ZSTD,
}


def compression_of(path: Path) -> Compression | None:
    """The compression, or None for a file that isn't compressed."""
    with path.open("rb") as file:
        head = file.read(8)
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def decompress(source: Path, target: Path, kind: Compression) -> None:
    """Unpack ``source`` into ``target``, sparse where it holds zeroes.

    :raises ImageFormatError: for an archive that is damaged.
    """
    try:
        with _open(source, kind) as packed, target.open("wb") as file:
            while chunk := packed.read(1 << 20):
                file.seek(len(chunk), 1) if chunk.count(0) == len(chunk) else file.write(chunk)
            file.truncate()
    except (EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise ImageFormatError(f"{source}: the {kind} archive is damaged: {error}.") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ImageFormatError(f"{source}: the {kind} archive is damaged: {error}.") from error
    except Exception as error:
        if type(error).__module__.startswith("zstandard"):
            raise ImageFormatError(f"{source}: the {kind} archive is damaged: {error}.") from error
        raise


def _open(source: Path, kind: Compression) -> IO[bytes]:
    if kind is Compression.GZIP:
        import gzip

        return cast("IO[bytes]", gzip.open(source, "rb"))
    if kind is Compression.BZIP2:
        import bz2

        return cast("IO[bytes]", bz2.open(source, "rb"))
    if kind is Compression.XZ:
        return cast("IO[bytes]", lzma.open(source, "rb"))
    import zstandard

    reader: Any = zstandard.open(source, "rb")
    return cast("IO[bytes]", reader)
