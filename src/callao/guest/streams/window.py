# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that the host has the guest make, all on the one link: what both ends agree on.

Each direction of a TCP stream has a window: so many bytes may be under way before the receiver, having
passed them on, grants more. So one that stands still holds up no other, and neither end fills its memory.
Datagrams have none: what finds no room is dropped, as on any network.
"""

import socket
import struct
from typing import NamedTuple

from callao.guest.frames import FrameError

WINDOW = 1 << 18
"""Bytes under way in one direction of a stream."""

GRANT = WINDOW // 4
"""Bytes that have been passed on before they are granted again, all at once."""

CREDIT = struct.Struct("!I")
TARGET = struct.Struct("!BH")  # protocol, port; the address follows as text
PROTOS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}


class Target(NamedTuple):
    """Where a stream leads."""

    proto: "str"
    address: "str"
    port: "int"

    def pack(self) -> bytes:
        return TARGET.pack(PROTOS[self.proto], self.port) + self.address.encode("ascii")


def unpack_target(data: bytes) -> Target:
    """:raises ValueError: when it is none."""
    try:
        number, port = TARGET.unpack_from(data)
        names = {value: name for name, value in PROTOS.items()}
        return Target(names[number], data[TARGET.size :].decode("ascii"), port)
    except (struct.error, KeyError, UnicodeDecodeError):
        raise ValueError("not where a stream could lead") from None


def unpack_credit(data: bytes) -> int:
    """:raises FrameError: when it is none."""
    if len(data) != CREDIT.size:
        raise FrameError(f"credit of {len(data)} bytes")
    return int(CREDIT.unpack(data)[0])
