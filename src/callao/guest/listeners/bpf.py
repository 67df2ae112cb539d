# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads small BPF programs by bpf(2) and ctypes, without a compiler.

Numbers are those of linux/bpf.h, linux/bpf_common.h and each architecture's asm/unistd.h.
"""

import sys

assert sys.platform == "linux"

import os
import struct

SYSCALL_NUMBERS = {
    ("x86_64", 8): 321,
    ("aarch64", 8): 280,
    ("riscv64", 8): 280,
    ("ppc64le", 8): 361,
    ("s390x", 8): 351,
    ("armv7l", 4): 386,
}
"""The number of the system call bpf(2), by machine and size of a pointer."""

MAP_CREATE, PROG_LOAD, RAW_TRACEPOINT_OPEN, LINK_CREATE = 0, 5, 17, 28
MAP_TYPE_RINGBUF = 27
PROG_TYPE_CGROUP_SOCK, PROG_TYPE_RAW_TRACEPOINT = 9, 17
RINGBUF_OUTPUT = 130
"""The helper bpf_ringbuf_output(map, data, size, flags)."""

ATTR_SIZE = 144
"""Size of union bpf_attr as passed. The kernel accepts bytes beyond the fields it knows if they are zero."""

LOAD_WORD, LOAD_DOUBLE_WORD, STORE_DOUBLE_WORD, LOAD_MAP = 0x61, 0x79, 0x7A, 0x18
MOVE, MOVE_IMMEDIATE, ADD_IMMEDIATE = 0xBF, 0xB7, 0x07
JUMP_IF_EQUAL, JUMP_IF_NOT_EQUAL, CALL, EXIT = 0x15, 0x55, 0x85, 0x95
PSEUDO_MAP_FD = 1
"""As the source register of LOAD_MAP: the immediate value is a file descriptor."""


class BpfUnavailable(Exception):
    """This kernel, its configuration or this Python does not allow BPF programs; the text says why."""


def instruction(
    code: int, destination: int = 0, source: int = 0, offset: int = 0, immediate: int = 0
) -> bytes:
    """Encode ``struct bpf_insn``. Its two registers share a byte, in the order of the machine's
    endianness.
    """
    registers = (source << 4 | destination) if sys.byteorder == "little" else (destination << 4 | source)
    return struct.pack("=BBhi", code, registers, offset, immediate)


class BpfSyscall:
    """The system call bpf(2).

    :raises BpfUnavailable: where it cannot be called.
    """

    def __init__(self) -> None:
        machine, size = os.uname().machine, struct.calcsize("P")
        if (machine, size) not in SYSCALL_NUMBERS:
            raise BpfUnavailable(f"bpf(2) has no number for {machine}")
        try:
            import ctypes
        except ImportError as error:  # a Python without libffi
            raise BpfUnavailable(f"this Python has no ctypes: {error}") from error
        self._ctypes = ctypes
        self._syscall_number = SYSCALL_NUMBERS[machine, size]
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall

    def create_ring_buffer(self, size: int) -> int:
        """Create a ring buffer, see kernel.org, "BPF ring buffer". Returns its descriptor."""
        return self._bpf("ring buffer", MAP_CREATE, struct.pack("=IIIII", MAP_TYPE_RINGBUF, 0, 0, size, 0))

    def load_program(self, kind: int, attach: int, code: bytes) -> int:
        """Have the kernel verify and load a program. Returns its descriptor."""
        instructions, licence = self._buffer(code), self._buffer(b"GPL\0")
        attributes = struct.pack(
            "=IIQQIIQII16sII",
            kind, len(code) // 8, self._address(instructions), self._address(licence), 0, 0, 0, 0, 0,
            b"callao", 0, attach,
        )  # fmt: skip
        return self._bpf("program", PROG_LOAD, attributes)

    def attach_to_cgroup(self, program: int, target: int, attach: int) -> int:
        """Run a program at a hook of the cgroup ``target`` until the returned descriptor is closed."""
        return self._bpf("hook of cgroups", LINK_CREATE, struct.pack("=IIII", program, target, attach, 0))

    def attach_to_tracepoint(self, program: int, name: bytes) -> int:
        """Run a program at a raw tracepoint until the returned descriptor is closed."""
        instructions = self._buffer(name + b"\0")
        attributes = struct.pack("=QI4x", self._address(instructions), program)
        return self._bpf("tracepoint", RAW_TRACEPOINT_OPEN, attributes)

    def _bpf(self, what: str, command: int, attributes: bytes) -> int:
        """Call bpf(2).

        :raises BpfUnavailable: when the kernel refuses; the text names ``what``.
        """
        attr_buffer = self._buffer(attributes + bytes(ATTR_SIZE - len(attributes)))
        ctypes = self._ctypes
        descriptor = int(
            self._syscall(
                ctypes.c_long(self._syscall_number),
                ctypes.c_long(command),
                attr_buffer,
                ctypes.c_long(ATTR_SIZE),
            )
        )
        if descriptor < 0:
            raise BpfUnavailable(f"the kernel refuses a {what}: {os.strerror(ctypes.get_errno())}")
        os.set_inheritable(descriptor, False)
        return descriptor

    def _buffer(self, data: bytes) -> "object":
        return self._ctypes.create_string_buffer(data, len(data))

    def _address(self, buffer: "object") -> int:
        return int(self._ctypes.addressof(buffer))  # type: ignore[arg-type]
