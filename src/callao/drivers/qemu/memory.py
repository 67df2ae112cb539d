# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's memory: shared while the machine runs, copied out of it, and taken up again.

On Linux it is a memfd. Its pages can be read from outside of QEMU, at the speed of a copy, so that a saved
state is two files: the pages, and the devices as QEMU's migration writes them (capability
``x-ignore-shared``: pages that another process can reach are left out).
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callao.drivers.qemu.devices import escaped
from callao.errors import unsupported

_CHUNK, _BLOCK = 1 << 26, 1 << 16
"""Bytes to copy at a time, without a look and with one."""

_NAME = "memory-backend-memfd"
"""QEMU's own name of the memfd, and ours for one that it is given."""


@dataclass(frozen=True)
class SharedMemory:
    """Memory where another process can map it: a virtiofsd reads requests in place."""

    size: int
    """Bytes."""
    descriptor: int | None = None
    """A memfd that holds the pages already; None for a new one."""

    def argv(self) -> list[str]:
        if self.descriptor is None:
            return _memory(f"memory-backend-memfd,id=mem,size={self.size // 2**20}M,share=on")
        path = f"/proc/self/fd/{self.descriptor}"
        return _memory(f"memory-backend-file,id=mem,size={self.size // 2**20}M,mem-path={path},share=on")


@dataclass(frozen=True)
class MappedMemory:
    """Pages of a file, read as they are needed; what the guest writes is its own and goes nowhere."""

    size: int
    """Bytes."""
    path: Path

    def argv(self) -> list[str]:
        backend = f"memory-backend-file,id=mem,size={self.size // 2**20}M,mem-path={escaped(self.path)}"
        return _memory(f"{backend},share=off")


def _memory(backend: str) -> list[str]:
    return ["-object", backend, "-numa", "node,memdev=mem"]


@contextlib.contextmanager
def pages_of(pid: int) -> Iterator[int | None]:
    """The memfd of a running QEMU, opened for reading; None when its memory is private, as on macOS."""
    if sys.platform != "linux":
        yield None
        return
    folder = Path(f"/proc/{pid}/fd")
    for entry in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if str(entry.readlink()).startswith(f"/memfd:{_NAME}"):
                descriptor = os.open(entry, os.O_RDONLY | os.O_CLOEXEC)
                break
    else:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_out(pages: int, target: Path) -> None:
    """Copy a memfd into a file with holes where there are only zeros: what was only read has pages, too.

    :raises OSError: when there is no room.
    """
    if sys.platform != "linux":
        raise unsupported("memfd_create(2)")
    size, nothing = os.fstat(pages).st_size, bytes(_BLOCK)
    target.touch(mode=0o600, exist_ok=False)
    with target.open("r+b") as file, mmap.mmap(pages, size, prot=mmap.PROT_READ) as memory:
        os.ftruncate(file.fileno(), size)
        for begin, end in _extents(pages, size):
            for at in range(begin, end, _BLOCK):
                block = memory[at : min(at + _BLOCK, end)]
                if block != nothing[: len(block)]:
                    os.pwrite(file.fileno(), block, at)


def read_in(source: Path) -> int:
    """A memfd with a file's pages, to be inherited; the caller closes it.

    :raises OSError: when the file cannot be read, or memory is short.
    """
    if sys.platform != "linux":
        raise unsupported("memfd_create(2)")
    descriptor = os.memfd_create(_NAME, 0)
    try:
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            os.ftruncate(descriptor, size)
            for begin, end in _extents(file.fileno(), size):
                os.lseek(descriptor, begin, os.SEEK_SET)
                while begin < end:
                    begin += os.sendfile(descriptor, file.fileno(), begin, min(_CHUNK, end - begin))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where there is data, see lseek(2), ``SEEK_DATA``."""
    if sys.platform != "linux":
        raise unsupported("memfd_create(2)")
    end = 0
    while end < size:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        yield begin, end
