# SPDX-License-Identifier: GPL-3.0-or-later
"""Split virtqueues in a guest's memory (Virtual I/O Device 1.1, section 2.6); no indirect descriptors."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

DESCRIPTOR = struct.Struct("<QIHH")
NEXT, WRITE = 1, 2
NO_INTERRUPT = 1


@dataclass(frozen=True)
class Region:
    """``guest`` is its physical address, ``user`` the address in QEMU; ``pages`` begin ``offset`` before."""

    guest: int
    user: int
    size: int
    offset: int
    pages: mmap.mmap


@dataclass
class Memory:
    regions: list[Region] = field(default_factory=list)

    def replace(self, regions: list[Region]) -> None:
        for each in self.regions:
            each.pages.close()
        self.regions = regions

    def read(self, address: int, size: int) -> bytes:
        pages, at = self._at(address)
        return pages[at : at + size]

    def write(self, address: int, data: bytes) -> None:
        pages, at = self._at(address)
        pages[at : at + len(data)] = data

    def guest_address(self, user: int) -> int:
        for each in self.regions:
            if each.user <= user < each.user + each.size:
                return user - each.user + each.guest
        raise ValueError(f"no memory at {user:#x}")

    def _at(self, address: int) -> tuple[mmap.mmap, int]:
        for each in self.regions:
            if each.guest <= address < each.guest + each.size:
                return each.pages, address - each.guest + each.offset
        raise ValueError(f"no guest memory at {address:#x}")


@dataclass(frozen=True)
class Chain:
    """One buffer of the guest's: its pieces, each an address and a length."""

    head: int
    readable: tuple[tuple[int, int], ...]
    writable: tuple[tuple[int, int], ...]

    @property
    def space(self) -> int:
        return sum(size for _, size in self.writable)


@dataclass
class Queue:
    size: int = 0
    next_available: int = 0
    kick: int = -1
    _call: int = -1
    _memory: Memory = field(default_factory=Memory)
    _descriptors: int = 0
    _available: int = 0
    _used: int = 0

    def place(self, memory: Memory, descriptors: int, available: int, used: int) -> None:
        """The tables, by their addresses in QEMU."""
        self._memory = memory
        self._descriptors, self._available, self._used = map(
            memory.guest_address, (descriptors, available, used)
        )

    def set_call(self, descriptor: int) -> None:
        if self._call >= 0:
            os.close(self._call)
        self._call = descriptor

    def close(self) -> None:
        for each in (self.kick, self._call):
            if each >= 0:
                os.close(each)

    @property
    def ready(self) -> bool:
        return self.kick >= 0 and self.size > 0 and self._used > 0

    def take(self) -> Chain | None:
        """The next buffer that the guest offers."""
        if not self.ready or self._word(self._available + 2) == self.next_available:
            return None
        head = self._word(self._available + 4 + 2 * (self.next_available % self.size))
        self.next_available = (self.next_available + 1) & 0xFFFF
        pieces = list(self._pieces(head))
        return Chain(
            head,
            tuple((at, size) for at, size, flags in pieces if not flags & WRITE),
            tuple((at, size) for at, size, flags in pieces if flags & WRITE),
        )

    def give_back(self, chain: Chain, written: int) -> None:
        index = self._word(self._used + 2)
        self._memory.write(self._used + 4 + 8 * (index % self.size), struct.pack("<II", chain.head, written))
        self._memory.write(self._used + 2, struct.pack("<H", (index + 1) & 0xFFFF))

    def notify(self) -> None:
        if self._call >= 0 and not self._word(self._available) & NO_INTERRUPT:
            os.write(self._call, struct.pack("=Q", 1))

    def read(self, chain: Chain) -> bytes:
        return b"".join(self._memory.read(at, size) for at, size in chain.readable)

    def fill(self, chain: Chain, data: bytes) -> None:
        for at, size in chain.writable:
            piece, data = data[:size], data[size:]
            self._memory.write(at, piece)

    def _pieces(self, index: int) -> Iterator[tuple[int, int, int]]:
        for _ in range(self.size):
            at, size, flags, following = DESCRIPTOR.unpack(
                self._memory.read(self._descriptors + DESCRIPTOR.size * index, DESCRIPTOR.size)
            )
            yield at, size, flags
            if not flags & NEXT:
                return
            index = following

    def _word(self, address: int) -> int:
        return int(struct.unpack("<H", self._memory.read(address, 2))[0])
