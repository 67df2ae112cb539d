# SPDX-License-Identifier: GPL-3.0-or-later
"""The back end of QEMU's vhost-user protocol (docs/interop/vhost-user.rst), as a vsock device needs it.

QEMU hands over the guest's memory and the addresses of the queues by its end of a pair of unix sockets.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from support.apple.virtqueue import Memory, Queue, Region

HEADER = struct.Struct("=III")
VERSION, REPLY, NEED_REPLY = 0x1, 0x4, 0x8
NO_DESCRIPTOR = 0x100

GET_FEATURES, SET_FEATURES, SET_MEM_TABLE = 1, 2, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, GET_CONFIG = 15, 17, 24

VERSION_1 = 1 << 32
PROTOCOL_FEATURES = 1 << 30
MULTIPLE_QUEUES, REPLY_ACK, CONFIG = 1 << 0, 1 << 3, 1 << 9


@dataclass
class BackEnd:
    """``peer`` is our end; ``config`` what the guest reads of the device; ``kicked`` is told the number of a
    queue."""

    peer: socket.socket
    config: bytes
    kicked: Callable[[int], None]
    queues: list[Queue] = field(default_factory=lambda: [Queue(), Queue()])
    memory: Memory = field(default_factory=Memory)

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self.peer, self._read)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for queue in self.queues:
            if queue.kick >= 0:
                loop.remove_reader(queue.kick)
            queue.close()
        loop.remove_reader(self.peer)
        self.peer.close()

    def _read(self) -> None:
        """One message; QEMU sends each by one call, and waits for the answer where there is one."""
        with suppress(OSError):
            data, descriptors, _, _ = socket.recv_fds(self.peer, HEADER.size, 64)
            if len(data) == HEADER.size:
                request, flags, size = HEADER.unpack(data)
                body = self.peer.recv(size, socket.MSG_WAITALL) if size else b""
                answer = self._answer(request, body, descriptors)
                if answer is None and flags & NEED_REPLY:
                    answer = struct.pack("=Q", 0)
                if answer is not None:
                    self.peer.sendall(HEADER.pack(request, VERSION | REPLY, len(answer)) + answer)
                return
        asyncio.get_running_loop().remove_reader(self.peer)

    def _answer(self, request: int, body: bytes, descriptors: list[int]) -> bytes | None:
        match request:
            case 1:  # GET_FEATURES
                return struct.pack("=Q", VERSION_1 | PROTOCOL_FEATURES)
            case 15:  # GET_PROTOCOL_FEATURES
                return struct.pack("=Q", MULTIPLE_QUEUES | REPLY_ACK | CONFIG)
            case 17:  # GET_QUEUE_NUM
                return struct.pack("=Q", len(self.queues))
            case 24:  # GET_CONFIG
                offset, size, flags = struct.unpack_from("=III", body)
                return struct.pack("=III", offset, size, flags) + self.config[offset : offset + size]
            case 5:  # SET_MEM_TABLE
                self.memory.replace(list(_regions(body, descriptors)))
            case 8 | 9 | 10 | 11:
                return self._ring(request, body)
            case 12 | 13 | 14:
                self._descriptor(request, struct.unpack("=Q", body)[0], descriptors)
        return None

    def _ring(self, request: int, body: bytes) -> bytes | None:
        index, number = struct.unpack_from("=II", body)
        queue = self.queues[index]
        if request == SET_VRING_NUM:
            queue.size = number
        elif request == SET_VRING_BASE:
            queue.next_available = number
        elif request == SET_VRING_ADDR:
            descriptors, used, available = struct.unpack_from("=QQQ", body, 8)
            queue.place(self.memory, descriptors, available, used)
        else:  # GET_VRING_BASE: the queue stops
            self._unkick(queue)
            return struct.pack("=II", index, queue.next_available)
        return None

    def _descriptor(self, request: int, word: int, descriptors: list[int]) -> None:
        index = word & 0xFF
        descriptor = -1 if word & NO_DESCRIPTOR else descriptors[0]
        queue = self.queues[index]
        if request == SET_VRING_ERR:
            os.close(descriptor)
        elif request == SET_VRING_CALL:
            queue.set_call(descriptor)
        else:
            self._unkick(queue)
            queue.kick = descriptor
            os.set_blocking(descriptor, False)
            asyncio.get_running_loop().add_reader(descriptor, self._kick, index)
            self.kicked(index)

    def _kick(self, index: int) -> None:
        with suppress(BlockingIOError):
            os.read(self.queues[index].kick, 8)
        self.kicked(index)

    @staticmethod
    def _unkick(queue: Queue) -> None:
        if queue.kick >= 0:
            asyncio.get_running_loop().remove_reader(queue.kick)
            os.close(queue.kick)
            queue.kick = -1


def _regions(body: bytes, descriptors: list[int]) -> list[Region]:
    found = []
    for index, descriptor in enumerate(descriptors):
        guest, size, user, offset = struct.unpack_from("=QQQQ", body, 8 + 32 * index)
        found.append(Region(guest, user, size, offset, mmap.mmap(descriptor, offset + size)))
        os.close(descriptor)
    return found
