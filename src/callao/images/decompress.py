# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed images, told by their first bytes and unpacked as a stream."""

from __future__ import annotations

import enum
import lzma
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

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


_CHUNK = 1 << 20


def compression_of(path: Path) -> Compression | None:
    """The compression, or None for a file that isn't compressed."""
    with path.open("rb") as file:
        head = file.read(8)
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def decompress(source: Path, target: Path, kind: Compression, location: str) -> None:
    """Unpack ``source`` into ``target``, sparse where it holds zeroes.

    :param location: what people know the archive by.

    :raises ImageFormatError: for an archive that is damaged.
    """
    try:
        with target.open("wb") as file:
            for chunk in _chunks(source, kind):
                file.seek(len(chunk), 1) if chunk.count(0) == len(chunk) else file.write(chunk)
            file.truncate()
    except (EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise ImageFormatError(f"{location}: the {kind} archive is damaged: {error}.") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ImageFormatError(f"{location}: the {kind} archive is damaged: {error}.") from error


def _chunks(source: Path, kind: Compression) -> Iterator[bytes]:
    if kind is Compression.ZSTD:
        yield from _zstd(source)
        return
    module = import_module(
        {Compression.GZIP: "gzip", Compression.BZIP2: "bz2", Compression.XZ: "lzma"}[kind]
    )
    with module.open(source, "rb") as packed:
        while chunk := packed.read(_CHUNK):
            yield chunk


def _zstd(source: Path) -> Iterator[bytes]:
    """Frame by frame, since the library's own reader takes a torn last frame for the end."""
    import zstandard

    try:
        with source.open("rb") as packed:
            frame = zstandard.ZstdDecompressor().decompressobj()
            while data := packed.read(_CHUNK):
                while data:
                    if frame.eof:
                        frame = zstandard.ZstdDecompressor().decompressobj()
                    yield frame.decompress(data)
                    data = frame.unused_data
            if not frame.eof:
                raise EOFError("it ends in the middle of a frame")
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error
