# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads SFTP packets from a descriptor, many in one read(2), and parses read and write requests."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import os
import struct
from collections.abc import Iterator

from paramiko.sftp import CMD_DATA

MAX_PACKET = 1 << 18
"""Bytes of a packet, as in OpenSSH's server; ``limits@openssh.com`` reports it."""

_LENGTH = struct.Struct(">I")
_NUMBERS = struct.Struct(">II")
_RANGE = struct.Struct(">QI")
_DATA = struct.Struct(">IBII")

_CHUNK = 1 << 18


def packets(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """(type, what follows it), until the stream ends: by itself, or with a packet that is longer than any
    may be, or has no type.
    """
    buffer = bytearray()
    while data := os.read(descriptor, _CHUNK):
        buffer += data
        start, end = 0, len(buffer)
        while end - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if not 0 < length <= MAX_PACKET:
                return
            body = start + _LENGTH.size
            if end - body < length:
                break
            start = body + length
            yield buffer[body], bytes(memoryview(buffer)[body + 1 : start])
        del buffer[:start]


def request_id(body: bytes) -> int:
    """The id of the request, which its answer repeats."""
    return int.from_bytes(body[: _LENGTH.size].ljust(_LENGTH.size, b"\0"), "big")


def parse_handle(body: bytes) -> tuple[bytes, int]:
    """(handle, offset after it) of a packet that begins with a handle; a truncated handle matches none.

    :raises struct.error: when it is too short.
    """
    _, length = _NUMBERS.unpack_from(body)
    end = _NUMBERS.size + length
    return body[_NUMBERS.size : end], end


def parse_read(body: bytes, at: int) -> tuple[int, int]:
    """(offset, length) of a read.

    :raises struct.error: when it is too short.
    """
    offset, length = _RANGE.unpack_from(body, at)
    return offset, length


def parse_write(body: bytes, at: int) -> tuple[int, memoryview]:
    """(offset, content) of a write.

    :raises struct.error: when it is too short.
    """
    offset, length = _RANGE.unpack_from(body, at)
    content = memoryview(body)[at + _RANGE.size :][:length]
    if len(content) < length:
        raise struct.error("the content is cut off")
    return offset, content


def send_data(descriptor: int, number: int, data: bytes) -> None:
    """The answer to a read."""
    head = _DATA.pack(_NUMBERS.size + 1 + len(data), CMD_DATA, number, len(data))
    sent = os.writev(descriptor, (head, data))
    rest = memoryview(head + data)[sent:] if sent < len(head) + len(data) else memoryview(b"")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
