# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's memory: shared while the machine runs, copied to a file by a save, and read by a restore.

On Linux it is a memfd. Its pages can be read from outside of QEMU, at the speed of a copy. So a saved state
is two files: the pages, and the device state as QEMU's migration writes it (with the capability
``x-ignore-shared``, QEMU leaves out shared memory).
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

from callao.drivers.qemu.devices import escape_commas
from callao.errors import unsupported

_COPY_SIZE, _ZERO_CHECK_SIZE = 1 << 26, 1 << 16
"""Bytes to copy at a time, and bytes in which to look for zeros at a time."""

_MEMFD_NAME = "memory-backend-memfd"
"""QEMU's name for its memfd, which is also used for one that QEMU is given."""


@dataclass(frozen=True)
class SharedMemory:
    """Memory that another process can map, as virtiofsd does to read requests."""

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
    """Memory mapped from a file, read on demand. The guest's writes are private, and do not change the
    file.
    """

    size: int
    """Bytes."""
    path: Path

    def argv(self) -> list[str]:
        backend = (
            f"memory-backend-file,id=mem,size={self.size // 2**20}M,mem-path={escape_commas(self.path)}"
        )
        return _memory(f"{backend},share=off")


def _memory(backend: str) -> list[str]:
    return ["-object", backend, "-numa", "node,memdev=mem"]


@contextlib.contextmanager
def open_guest_memory(pid: int) -> Iterator[int | None]:
    """Open the memfd of a running QEMU for reading; None when its memory is private, as on macOS."""
    if sys.platform != "linux":
        yield None
        return
    folder = Path(f"/proc/{pid}/fd")
    for entry in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if str(entry.readlink()).startswith(f"/memfd:{_MEMFD_NAME}"):
                descriptor = os.open(entry, os.O_RDONLY | os.O_CLOEXEC)
                break
    else:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def copy_to_file(pages: int, target: Path) -> None:
    """Copy a memfd into a sparse file, with holes for blocks of zeros: pages that were only read are
    allocated, too.

    :raises OSError: when there is no space.
    """
    if sys.platform != "linux":
        raise unsupported("memfd_create(2)")
    size, zeros = os.fstat(pages).st_size, bytes(_ZERO_CHECK_SIZE)
    target.touch(mode=0o600, exist_ok=False)
    with target.open("r+b") as file, mmap.mmap(pages, size, prot=mmap.PROT_READ) as memory:
        os.ftruncate(file.fileno(), size)
        for start, end in _data_extents(pages, size):
            for offset in range(start, end, _ZERO_CHECK_SIZE):
                block = memory[offset : min(offset + _ZERO_CHECK_SIZE, end)]
                if block != zeros[: len(block)]:
                    os.pwrite(file.fileno(), block, offset)


def copy_to_memfd(source: Path) -> int:
    """Copy a file into a new memfd, which child processes inherit; the caller closes it.

    :raises OSError: when the file cannot be read, or memory is short.
    """
    if sys.platform != "linux":
        raise unsupported("memfd_create(2)")
    descriptor = os.memfd_create(_MEMFD_NAME, 0)
    try:
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            os.ftruncate(descriptor, size)
            for start, end in _data_extents(file.fileno(), size):
                os.lseek(descriptor, start, os.SEEK_SET)
                while start < end:
                    start += os.sendfile(descriptor, file.fileno(), start, min(_COPY_SIZE, end - start))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _data_extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """The ranges of a file that hold data, see lseek(2), ``SEEK_DATA``."""
    if sys.platform != "linux":
        raise unsupported("memfd_create(2)")
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end
