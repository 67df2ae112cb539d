# SPDX-License-Identifier: GPL-3.0-or-later
"""Small programs for the kernel to run: bpf(2), by ctypes, without a compiler.

Numbers are those of linux/bpf.h, linux/bpf_common.h and each architecture's asm/unistd.h.
"""

import sys

assert sys.platform == "linux"

import os
import struct

NUMBERS = {
    ("x86_64", 8): 321,
    ("aarch64", 8): 280,
    ("riscv64", 8): 280,
    ("ppc64le", 8): 361,
    ("s390x", 8): 351,
    ("armv7l", 4): 386,
}
"""Of the system call, by machine and size of a pointer."""

MAP_CREATE, PROG_LOAD, RAW_TRACEPOINT_OPEN, LINK_CREATE = 0, 5, 17, 28
MAP_TYPE_RINGBUF = 27
PROG_TYPE_CGROUP_SOCK, PROG_TYPE_RAW_TRACEPOINT = 9, 17
RINGBUF_OUTPUT = 130
"""The helper bpf_ringbuf_output(map, data, size, flags)."""

ATTRIBUTES = 144
"""Bytes given for union bpf_attr. The kernel takes more than it knows, as long as they are zero."""

LOAD_WORD, LOAD_DOUBLE, STORE_DOUBLE, LOAD_MAP = 0x61, 0x79, 0x7A, 0x18
MOVE, MOVE_NUMBER, ADD_NUMBER = 0xBF, 0xB7, 0x07
IF_EQUAL, IF_OTHER, CALL, EXIT = 0x15, 0x55, 0x85, 0x95
PSEUDO_MAP_FD = 1
"""As the source register of LOAD_MAP: the number is a descriptor."""


class Refused(Exception):
    """This kernel, or what it has been told, lets us run no programs; the text says why."""


def instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, number: int = 0) -> bytes:
    """``struct bpf_insn``; the two registers share a byte, in the machine's order."""
    registers = (source << 4 | to) if sys.byteorder == "little" else (to << 4 | source)
    return struct.pack("=BBhi", code, registers, offset, number)


class Kernel:
    """bpf(2).

    :raises Refused: where there is no way to call it.
    """

    def __init__(self) -> None:
        machine, size = os.uname().machine, struct.calcsize("P")
        if (machine, size) not in NUMBERS:
            raise Refused(f"bpf(2) has no number for {machine}")
        try:
            import ctypes
        except ImportError as error:  # a Python without libffi
            raise Refused(f"this Python has no ctypes: {error}") from error
        self._ctypes = ctypes
        self._number = NUMBERS[machine, size]
        self._call = ctypes.CDLL(None, use_errno=True).syscall

    def ring(self, size: int) -> int:
        """A ring buffer; see kernel.org, "BPF ring buffer"."""
        return self._bpf("ring buffer", MAP_CREATE, struct.pack("=IIIII", MAP_TYPE_RINGBUF, 0, 0, size, 0))

    def program(self, kind: int, attach: int, code: bytes) -> int:
        """Have the kernel check a program, and keep it."""
        text, licence = self._buffer(code), self._buffer(b"GPL\0")
        attributes = struct.pack(
            "=IIQQIIQII16sII",
            kind, len(code) // 8, self._address(text), self._address(licence), 0, 0, 0, 0, 0, b"callao", 0,
            attach,
        )  # fmt: skip
        return self._bpf("program", PROG_LOAD, attributes)

    def link(self, program: int, target: int, attach: int) -> int:
        """Run a program at a hook of ``target``, until the link's descriptor is closed."""
        return self._bpf("hook of cgroups", LINK_CREATE, struct.pack("=IIII", program, target, attach, 0))

    def trace(self, program: int, name: bytes) -> int:
        """Run a program at a raw tracepoint, until the descriptor is closed."""
        text = self._buffer(name + b"\0")
        attributes = struct.pack("=QI4x", self._address(text), program)
        return self._bpf("tracepoint", RAW_TRACEPOINT_OPEN, attributes)

    def _bpf(self, what: str, command: int, attributes: bytes) -> int:
        """:raises Refused: naming ``what``."""
        given = self._buffer(attributes + bytes(ATTRIBUTES - len(attributes)))
        ctypes = self._ctypes
        answer = int(
            self._call(ctypes.c_long(self._number), ctypes.c_long(command), given, ctypes.c_long(ATTRIBUTES))
        )
        if answer < 0:
            raise Refused(f"the kernel refuses a {what}: {os.strerror(ctypes.get_errno())}")
        os.set_inheritable(answer, False)
        return answer

    def _buffer(self, data: bytes) -> "object":
        return self._ctypes.create_string_buffer(data, len(data))

    def _address(self, buffer: "object") -> int:
        return int(self._ctypes.addressof(buffer))  # type: ignore[arg-type]
