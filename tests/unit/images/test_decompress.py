# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives are unpacked in bounded memory, to a bounded size, and whole or not at all."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from callao.errors import CallaoError, ImageFormatError
from callao.images.decompress import Compression, compression_of, decompress

PACKERS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: gzip.compress,
    Compression.BZIP2: bz2.compress,
    Compression.XZ: lzma.compress,
    Compression.ZSTD: zstandard.ZstdCompressor(write_checksum=True).compress,
}
CONTENT = os.urandom(70_000) + bytes(3 << 20) + os.urandom(70_000)


def unpacked(tmp_path: Path, data: bytes) -> bytes:
    source, target = tmp_path / "packed", tmp_path / "out"
    source.write_bytes(data)
    kind = compression_of(source)
    assert kind is not None
    decompress(source, target, kind, "disk.img")
    return target.read_bytes()


@pytest.mark.parametrize("kind", Compression)
def test_several_streams_in_a_row_are_one(tmp_path: Path, kind: Compression) -> None:
    pack = PACKERS[kind]
    assert unpacked(tmp_path, pack(CONTENT) + pack(b"more")) == CONTENT + b"more"


def test_what_is_skipped_and_what_is_padding_is_no_content(tmp_path: Path) -> None:
    skipped = b"\x53\x2a\x4d\x18\x05\0\0\0hello"
    pack = PACKERS[Compression.ZSTD]
    assert unpacked(tmp_path, pack(b"a") + skipped + pack(b"b") + skipped) == b"ab"
    pack = PACKERS[Compression.XZ]
    assert unpacked(tmp_path, pack(b"a") + bytes(8) + pack(b"b") + bytes(4)) == b"ab"


@pytest.mark.parametrize("kind", Compression)
@pytest.mark.parametrize("rest", [1, 5, 1000, 60_000])
def test_what_is_torn_is_damaged(tmp_path: Path, kind: Compression, rest: int) -> None:
    packed = PACKERS[kind](CONTENT)
    with pytest.raises(ImageFormatError, match="damaged"):
        unpacked(tmp_path, packed[:-rest])


@pytest.mark.parametrize("kind", Compression)
def test_an_archive_that_unpacks_to_more_than_may_be_is_refused(
    tmp_path: Path, kind: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLAO_LARGEST_IMAGE", "2MiB")
    with pytest.raises(ImageFormatError, match=r"more than 2MiB.*CALLAO_LARGEST_IMAGE"):
        unpacked(tmp_path, PACKERS[kind](CONTENT))
    monkeypatch.setenv("CALLAO_LARGEST_IMAGE", "much")
    with pytest.raises(CallaoError, match="CALLAO_LARGEST_IMAGE: 'much'"):
        unpacked(tmp_path, PACKERS[kind](CONTENT))


BOMB = """
import pathlib, sys
from callao.images.decompress import compression_of, decompress
source, target = map(pathlib.Path, sys.argv[1:])
decompress(source, target, compression_of(source), "bomb")
# Not ru_maxrss: a child begins with that of the process that it was forked from.
print(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def test_half_a_gigabyte_of_zeroes_takes_little_memory_and_no_disk(tmp_path: Path) -> None:
    source, target = tmp_path / "bomb", tmp_path / "out"
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    block = bytes(1 << 24)
    source.write_bytes(b"".join(packer.compress(block) for _ in range(32)) + packer.flush())
    done = subprocess.run(
        [sys.executable, "-c", BOMB, source, target], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150 * 1024
    assert target.stat().st_size == 1 << 29
    assert target.stat().st_blocks * 512 < 1 << 20


def test_an_xz_file_that_asks_for_gigabytes_of_memory_is_refused(tmp_path: Path) -> None:
    """By the block's header: see the format's sections 3.1 and 5.3.1."""
    packed = bytearray(lzma.compress(b"x" * 1000))
    end = 12 + 4 * (packed[12] + 1)
    packed[packed.index(b"\x21\x01", 12) + 2] = 36  # a dictionary of 1 GiB
    packed[end - 4 : end] = zlib.crc32(packed[12 : end - 4]).to_bytes(4, "little")
    with pytest.raises(ImageFormatError, match=r"[Mm]emory"):
        unpacked(tmp_path, bytes(packed))
