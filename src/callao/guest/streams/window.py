# SPDX-License-Identifier: GPL-3.0-or-later
"""Flow control and targets of streams; host and guest use this.

Each direction of a TCP stream has a window: the sender may have this many bytes unacknowledged, and the
receiver acknowledges those that it has passed on. So a stream whose receiver does not read blocks no other
stream, and neither end has to buffer without limit. Datagrams have no window: one that finds a full buffer
is dropped, as on any network.
"""

import socket
import struct
from typing import NamedTuple

from callao.guest.frames import FrameError

WINDOW = 1 << 18
"""Bytes that may be unacknowledged in one direction of a stream."""

CREDIT_THRESHOLD = WINDOW // 4
"""Bytes that a receiver has passed on before it acknowledges them in one CREDIT frame."""

CREDIT_FORMAT = struct.Struct("!I")
TARGET_FORMAT = struct.Struct("!BH")  # protocol, port; the address follows as text
PROTOCOL_NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}


class StreamTarget(NamedTuple):
    """The address in the guest that a stream connects to."""

    proto: "str"
    address: "str"
    port: "int"

    def pack(self) -> bytes:
        return TARGET_FORMAT.pack(PROTOCOL_NUMBERS[self.proto], self.port) + self.address.encode("ascii")


def unpack_target(data: bytes) -> StreamTarget:
    """:raises ValueError: when the data of an OPEN frame is invalid."""
    try:
        number, port = TARGET_FORMAT.unpack_from(data)
        names = {value: name for name, value in PROTOCOL_NUMBERS.items()}
        return StreamTarget(names[number], data[TARGET_FORMAT.size :].decode("ascii"), port)
    except (struct.error, KeyError, UnicodeDecodeError):
        raise ValueError("not a valid target of a stream") from None


def unpack_credit(data: bytes) -> int:
    """:raises FrameError: when the data of a CREDIT frame is invalid."""
    if len(data) != CREDIT_FORMAT.size:
        raise FrameError(f"a CREDIT frame has {len(data)} bytes of data, {CREDIT_FORMAT.size} are required")
    return int(CREDIT_FORMAT.unpack(data)[0])
