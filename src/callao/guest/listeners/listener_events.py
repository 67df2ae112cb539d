# SPDX-License-Identifier: GPL-3.0-or-later
"""Events from the kernel when a listener opens or closes, in any network namespace.

Four BPF programs (:mod:`.bpf`) write to a ring buffer: three at hooks of the root of cgroup v2,
when a UDP socket is bound or released, and one at each change of a TCP socket's state from or to LISTEN. An
event has no content; it is a reason to scan. Needs Linux 5.9 and root.
"""

import sys

assert sys.platform == "linux"

import mmap
import os
import socket
from contextlib import suppress

from callao.guest.listeners import bpf
from callao.guest.listeners.bpf import Kernel, Refused, instruction
from callao.guest.listeners.sockets import CLOSE, LISTEN

HOOKS = (12, 13, 34)
"""BPF_CGROUP_INET4_POST_BIND, BPF_CGROUP_INET6_POST_BIND, BPF_CGROUP_INET_SOCK_RELEASE."""

TRACEPOINT = b"inet_sock_set_state"
"""Its arguments: the socket, the old state, the new one (kernel: include/trace/events/sock.h)."""

WRITING = 8
"""Instructions of :func:`written` that a condition jumps over."""

OF_UDP = (
    instruction(bpf.LOAD_WORD, 2, 1, 12),  # struct bpf_sock's protocol
    instruction(bpf.IF_OTHER, 2, offset=WRITING, number=socket.IPPROTO_UDP),
)
OF_LISTENERS = (
    instruction(bpf.LOAD_DOUBLE, 3, 1, 16),
    instruction(bpf.IF_EQUAL, 3, offset=3, number=LISTEN),  # to the instructions that write
    instruction(bpf.IF_OTHER, 3, offset=2 + WRITING, number=CLOSE),
    instruction(bpf.LOAD_DOUBLE, 2, 1, 8),
    instruction(bpf.IF_OTHER, 2, offset=WRITING, number=LISTEN),
)
"""To LISTEN, or from it to CLOSE: a connection that is accepted begins as a copy of its listener, and goes
from LISTEN to SYN_RECV."""

ALLOW, IGNORED = 1, 0
"""Return values of the programs: a cgroup hook could forbid the bind."""

MOUNTS = "/proc/self/mounts"


class ListenerEvents:
    """The ring buffer and the programs that write to it, until :meth:`close`.

    :raises Refused: where the kernel does not allow it.
    """

    def __init__(self, mounts: str = MOUNTS) -> None:
        self._held = []  # type: list[int]
        self._mapped = []  # type: list[mmap.mmap]
        try:
            self._begin(mounts)
        except (Refused, OSError, ValueError) as error:
            self.close()
            raise Refused(str(error)) from error

    @property
    def descriptor(self) -> int:
        """Readable when there is an event; for poll(2) alone."""
        return self._held[0]

    def drain(self) -> bool:
        """Whether there was an event since the last call; empties the buffer."""
        consumer, producer = self._mapped
        written = producer[:8]
        if consumer[:8] == written:
            return False
        consumer[:8] = written
        return True

    def close(self) -> None:
        for each in self._mapped:
            each.close()
        for descriptor in self._held:
            os.close(descriptor)
        self._mapped, self._held = [], []

    def _begin(self, mounts: str) -> None:
        kernel, page = Kernel(), mmap.PAGESIZE
        ring = self._hold(kernel.ring(page))
        # The consumer's position is in the first page, the producer's in the second.
        self._mapped.append(mmap.mmap(ring, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))
        self._mapped.append(mmap.mmap(ring, page, mmap.MAP_SHARED, mmap.PROT_READ, offset=page))
        self._trace(kernel, ring)
        root = cgroup_root(mounts)
        try:
            for hook in HOOKS:
                program = kernel.program(bpf.PROG_TYPE_CGROUP_SOCK, hook, written(ring, OF_UDP, ALLOW))
                try:
                    self._hold(kernel.link(program, root, hook))
                finally:
                    os.close(program)
        finally:
            os.close(root)

    def _trace(self, kernel: Kernel, ring: int) -> None:
        code = written(ring, OF_LISTENERS, IGNORED)
        program = kernel.program(bpf.PROG_TYPE_RAW_TRACEPOINT, 0, code)
        try:
            self._hold(kernel.trace(program, TRACEPOINT))
        finally:
            os.close(program)

    def _hold(self, descriptor: int) -> int:
        self._held.append(descriptor)
        return descriptor


def written(ring: int, condition: "tuple[bytes, ...]", answer: int) -> bytes:
    """A program that writes eight bytes to the ring where the condition does not jump over that."""
    return b"".join(
        (
            *condition,
            instruction(bpf.STORE_DOUBLE, 10, offset=-8),  # r10 is the stack's end
            instruction(bpf.LOAD_MAP, 1, bpf.PSEUDO_MAP_FD, number=ring),
            instruction(0),  # the upper half of what is loaded
            instruction(bpf.MOVE, 2, 10),
            instruction(bpf.ADD_NUMBER, 2, number=-8),
            instruction(bpf.MOVE_NUMBER, 3, number=8),
            instruction(bpf.MOVE_NUMBER, 4),
            instruction(bpf.CALL, number=bpf.RINGBUF_OUTPUT),
            instruction(bpf.MOVE_NUMBER, 0, number=answer),
            instruction(bpf.EXIT),
        )
    )


def cgroup_root(mounts: str) -> int:
    """A descriptor of the root of cgroup v2.

    :raises Refused: where it is not mounted.
    """
    with open(mounts) as table:  # noqa: PTH123 (of /proc)
        for line in table:
            _, place, kind = line.split()[:3]
            if kind == "cgroup2":
                with suppress(OSError):
                    return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    raise Refused("cgroup v2 is not mounted")


def listener_events() -> "tuple[ListenerEvents | None, str]":
    """The events, or None and the reason why there are none."""
    try:
        return ListenerEvents(), ""
    except Refused as error:
        return None, str(error)
