# SPDX-License-Identifier: GPL-3.0-or-later
"""Events from the kernel when a listener opens or closes, in any network namespace.

Four BPF programs (:mod:`.bpf`) write to a ring buffer: three at hooks of the root of cgroup v2, when a UDP
socket is bound or released, and one when a TCP socket's state changes from or to LISTEN. An event has no
content; it only says that a scan is needed. Needs Linux 5.9 and root.
"""

import sys

assert sys.platform == "linux"

import mmap
import os
import socket
from contextlib import suppress

from callao.guest.listeners import bpf
from callao.guest.listeners.bpf import BpfSyscall, BpfUnavailable, instruction
from callao.guest.listeners.sockets import CLOSE, LISTEN

CGROUP_HOOKS = (12, 13, 34)
"""BPF_CGROUP_INET4_POST_BIND, BPF_CGROUP_INET6_POST_BIND, BPF_CGROUP_INET_SOCK_RELEASE."""

TRACEPOINT = b"inet_sock_set_state"
"""Its arguments: the socket, the old state, the new one (kernel: include/trace/events/sock.h)."""

WRITE_LENGTH = 8
"""Instructions of :func:`event_program` that a condition jumps over."""

UDP_SOCKET_CONDITION = (
    instruction(bpf.LOAD_WORD, 2, 1, 12),  # struct bpf_sock's protocol
    instruction(bpf.JUMP_IF_NOT_EQUAL, 2, offset=2 + WRITE_LENGTH, immediate=socket.IPPROTO_UDP),
    instruction(bpf.LOAD_WORD, 2, 1, 48),  # its peer's port
    instruction(bpf.JUMP_IF_NOT_EQUAL, 2, offset=WRITE_LENGTH),
)
"""A socket that is not connected: each query for a name has one that is."""
LISTENER_CONDITION = (
    instruction(bpf.LOAD_DOUBLE_WORD, 3, 1, 16),
    instruction(bpf.JUMP_IF_EQUAL, 3, offset=3, immediate=LISTEN),  # to the instructions that write
    instruction(bpf.JUMP_IF_NOT_EQUAL, 3, offset=2 + WRITE_LENGTH, immediate=CLOSE),
    instruction(bpf.LOAD_DOUBLE_WORD, 2, 1, 8),
    instruction(bpf.JUMP_IF_NOT_EQUAL, 2, offset=WRITE_LENGTH, immediate=LISTEN),
)
"""A change to LISTEN, or from LISTEN to CLOSE. Other changes from LISTEN are no event: an accepted
connection begins as a copy of its listener, and changes from LISTEN to SYN_RECV."""

ALLOW, UNUSED_RESULT = 1, 0
"""Return values of the programs: at a cgroup hook, 0 would forbid the bind."""

MOUNTS = "/proc/self/mounts"


class ListenerEvents:
    """The ring buffer and the programs that write to it, until :meth:`close`.

    :raises BpfUnavailable: where the kernel does not allow it.
    """

    def __init__(self, mounts: str = MOUNTS) -> None:
        self._descriptors = []  # type: list[int]
        self._positions = []  # type: list[mmap.mmap]
        try:
            self._attach(mounts)
        except (BpfUnavailable, OSError, ValueError) as error:
            self.close()
            raise BpfUnavailable(str(error)) from error

    @property
    def descriptor(self) -> int:
        """A descriptor for poll(2) alone, readable when there is an event."""
        return self._descriptors[0]

    def drain(self) -> bool:
        """Whether there was an event since the last call; empties the buffer."""
        consumer, producer = self._positions
        written = producer[:8]
        if consumer[:8] == written:
            return False
        consumer[:8] = written
        return True

    def close(self) -> None:
        for each in self._positions:
            each.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._positions, self._descriptors = [], []

    def _attach(self, mounts: str) -> None:
        kernel, page = BpfSyscall(), mmap.PAGESIZE
        ring = self._keep(kernel.create_ring_buffer(page))
        # The consumer's position is in the first page, the producer's in the second.
        self._positions.append(mmap.mmap(ring, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))
        self._positions.append(mmap.mmap(ring, page, mmap.MAP_SHARED, mmap.PROT_READ, offset=page))
        self._attach_to_tracepoint(kernel, ring)
        root = cgroup_root(mounts)
        try:
            for hook in CGROUP_HOOKS:
                program = kernel.load_program(
                    bpf.PROG_TYPE_CGROUP_SOCK, hook, event_program(ring, UDP_SOCKET_CONDITION, ALLOW)
                )
                try:
                    self._keep(kernel.attach_to_cgroup(program, root, hook))
                finally:
                    os.close(program)
        finally:
            os.close(root)

    def _attach_to_tracepoint(self, kernel: BpfSyscall, ring: int) -> None:
        code = event_program(ring, LISTENER_CONDITION, UNUSED_RESULT)
        program = kernel.load_program(bpf.PROG_TYPE_RAW_TRACEPOINT, 0, code)
        try:
            self._keep(kernel.attach_to_tracepoint(program, TRACEPOINT))
        finally:
            os.close(program)

    def _keep(self, descriptor: int) -> int:
        self._descriptors.append(descriptor)
        return descriptor


def event_program(ring: int, condition: "tuple[bytes, ...]", result: int) -> bytes:
    """The code of a BPF program that writes an event of eight bytes to the ring buffer unless ``condition``
    jumps over that.
    """
    return b"".join(
        (
            *condition,
            instruction(bpf.STORE_DOUBLE_WORD, 10, offset=-8),  # r10 points to the end of the stack
            instruction(bpf.LOAD_MAP, 1, bpf.PSEUDO_MAP_FD, immediate=ring),
            instruction(0),  # the upper half of the 64-bit immediate
            instruction(bpf.MOVE, 2, 10),
            instruction(bpf.ADD_IMMEDIATE, 2, immediate=-8),
            instruction(bpf.MOVE_IMMEDIATE, 3, immediate=8),
            instruction(bpf.MOVE_IMMEDIATE, 4),
            instruction(bpf.CALL, immediate=bpf.RINGBUF_OUTPUT),
            instruction(bpf.MOVE_IMMEDIATE, 0, immediate=result),
            instruction(bpf.EXIT),
        )
    )


def cgroup_root(mounts: str) -> int:
    """Open the root of cgroup v2.

    :raises BpfUnavailable: where it is not mounted.
    """
    with open(mounts) as table:  # noqa: PTH123 (of /proc)
        for line in table:
            _, mount_point, kind = line.split()[:3]
            if kind == "cgroup2":
                with suppress(OSError):
                    return os.open(mount_point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    raise BpfUnavailable("cgroup v2 is not mounted")


def open_listener_events() -> "tuple[ListenerEvents | None, str]":
    """The events, or None and the reason why they are not available."""
    try:
        return ListenerEvents(), ""
    except BpfUnavailable as error:
        return None, str(error)
