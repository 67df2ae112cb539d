# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacks compressed images, detected by their magic bytes, as a stream.

Memory and unpacked size are limited, because a few kilobytes can unpack to gigabytes."""

from __future__ import annotations

import enum
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from callao.config.sizes import format_size, size_of_environment
from callao.errors import ImageFormatError


class Compression(enum.StrEnum):
    """Compressions of images, and the magic bytes of each."""

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

_XZ_MEMORY = 256 << 20
"""Memory limit of xz in bytes; its largest preset, -9, needs a quarter."""

_RLE = 1
"""Type of a block that repeats one byte."""

_SKIPPABLE = {(0x184D2A50 + each).to_bytes(4, "little") for each in range(16)}
"""Magic bytes of skippable frames."""

_DEFAULT_MAX_SIZE = "256GiB"


def max_unpacked_size() -> int:
    """``CALLAO_LARGEST_IMAGE`` in bytes: the largest size that an archive may unpack to.

    :raises CallaoError: when it is no size.
    """
    return size_of_environment("CALLAO_LARGEST_IMAGE", _DEFAULT_MAX_SIZE)


def compression_of(path: Path) -> Compression | None:
    """The compression, or None for a file that isn't compressed."""
    with path.open("rb") as file:
        head = file.read(8)
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def decompress(source: Path, target: Path, kind: Compression, location: str) -> None:
    """Unpack ``source`` into ``target``, sparse where it holds zeroes.

    :param location: the name of the archive for messages.

    :raises ImageFormatError: for an archive that is damaged, or larger than :func:`max_unpacked_size`.
    """
    limit = max_unpacked_size()
    try:
        with target.open("wb") as file:
            sparse = _SparseFile(file, limit, location)
            if kind is Compression.ZSTD:
                _unpack_zstd(source, sparse.write)
            else:
                for chunk in _xz_chunks(source) if kind is Compression.XZ else _chunks(source, kind):
                    sparse.write(chunk)
            file.truncate()
    except (EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise ImageFormatError(f"{location}: the {kind} archive is damaged: {error}.") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ImageFormatError(f"{location}: the {kind} archive is damaged: {error}.") from error


class _SparseFile:
    """A writer that leaves holes for zeros, and refuses to exceed a limit."""

    def __init__(self, file: BinaryIO, limit: int, location: str) -> None:
        self._file = file
        self._left = limit
        self._limit = limit
        self._location = location

    def write(self, chunk: bytes) -> int:
        self._left -= len(chunk)
        if self._left < 0:
            raise ImageFormatError(
                f"{self._location} unpacks to more than {format_size(self._limit)}.",
                hint="If it is meant to, allow more by the environment variable CALLAO_LARGEST_IMAGE.",
            )
        if chunk.count(0) == len(chunk):
            self._file.seek(len(chunk), os.SEEK_CUR)
        else:
            self._file.write(chunk)
        return len(chunk)


def _chunks(source: Path, kind: Compression) -> Iterator[bytes]:
    module = import_module({Compression.GZIP: "gzip", Compression.BZIP2: "bz2"}[kind])
    with module.open(source, "rb") as packed:
        while chunk := packed.read(_CHUNK):
            yield chunk


def _xz_chunks(source: Path) -> Iterator[bytes]:
    """Unpack stream by stream, with the padding between them (xz's file format, section 2.2), because the
    library's own reader uses as much memory as the file demands."""
    with source.open("rb") as packed:
        data = packed.read(_CHUNK)
        while data:
            stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            while not stream.eof:
                if stream.needs_input and not data and not (data := packed.read(_CHUNK)):
                    raise EOFError("it ends in the middle of a stream")
                yield stream.decompress(data, _CHUNK)
                data = b""
            data = stream.unused_data or packed.read(_CHUNK)
            while data and not (data := data.lstrip(b"\0")):
                data = packed.read(_CHUNK)


def _unpack_zstd(source: Path, write: Callable[[bytes], int]) -> None:
    """Unpack by the library, which takes a truncated last frame for the end of the file."""
    import zstandard

    class Sink:
        """The file object to which the library writes."""

        def write(self, chunk: bytes) -> int:
            return write(bytes(chunk))

    try:
        with source.open("rb") as packed:
            _refuse_truncated(packed)
            packed.seek(0)
            out = zstandard.ZstdDecompressor().stream_writer(Sink(), closefd=False)  # type: ignore[arg-type]
            while data := packed.read(_CHUNK):
                out.write(data)
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error


def _refuse_truncated(packed: BinaryIO) -> None:
    """:raises EOFError: when the file does not end where a frame does; see RFC 8878, section 3."""
    import zstandard

    size = os.fstat(packed.fileno()).st_size
    at = 0
    while at < size:
        packed.seek(at)
        head = packed.read(18)
        if head[:4] in _SKIPPABLE:
            at += 8 + int.from_bytes(head[4:8], "little")
            continue
        checksum = 4 if zstandard.get_frame_parameters(head).has_checksum else 0
        at += zstandard.frame_header_size(head)
        last = 0
        while not last:
            packed.seek(at)
            block = packed.read(3)
            if len(block) < 3:
                break
            word = int.from_bytes(block, "little")
            last, length = word & 1, 1 if word >> 1 & 3 == _RLE else word >> 3
            at += 3 + length
        at += checksum
        if not last or at > size:
            raise EOFError("it ends in the middle of a frame")
