# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames: four bytes of length, most significant first, then what they hold. Both ends use this.

A message is a JSON object in UTF-8. Where the highest bit of the length is set, it is a piece of a stream
(:mod:`callao.guest.streams.window`) instead: a byte with its kind, four with its number, and data.
"""

import enum
import json
import struct
from typing import NamedTuple, Union

PROTOCOL = 1
LIMIT = 1 << 20
"""Bytes of JSON in one frame."""

LENGTH = struct.Struct("!I")
HEAD = struct.Struct("!BI")
PIECE = 1 << 31

SEGMENT = (1 << 15) - LENGTH.size - HEAD.size
"""Bytes of a TCP stream in one piece: with its head, it is what a virtio port takes in one write(2)."""

PIECE_LIMIT = 1 << 16
"""Bytes in a piece; a datagram has at most 65,507."""


class FrameError(Exception):
    """What came is no frame of ours; nothing after it can be understood either."""


class Kind(enum.IntEnum):
    """What a piece of a stream is."""

    OPEN = 1
    """From the host: to connect; holds where to."""
    DATA = 2
    """Bytes of a TCP stream, or one datagram."""
    CREDIT = 3
    """So many more bytes may be sent; four bytes."""
    END = 4
    """Nothing more comes from there; the other direction goes on."""
    RESET = 5
    """The stream has failed, or was refused. It is no more; there is no answer."""


KINDS = {each.value: each for each in Kind}


class Piece(NamedTuple):
    kind: "Kind"
    stream: "int"
    data: "bytes"


Message = Union["dict[str, object]", Piece]


def encode(message: "dict[str, object]") -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode("utf-8")
    if len(body) > LIMIT:
        raise FrameError(f"a message of {len(body)} bytes is longer than {LIMIT}")
    return LENGTH.pack(len(body)) + body


def encode_piece(kind: Kind, stream: int, data: bytes = b"") -> bytes:
    """``data`` has at most PIECE_LIMIT bytes."""
    return LENGTH.pack(PIECE | (HEAD.size + len(data))) + HEAD.pack(kind, stream) + data


class Decoder:
    """Collects bytes until they are whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer)

    def reset(self) -> None:
        self._buffer.clear()

    def feed(self, data: bytes) -> "list[Message]":
        """What these bytes complete.

        :raises FrameError: for what is no frame; what was whole before it in the same bytes is lost with it.
        """
        self._buffer += data
        found = []
        start = 0
        with memoryview(self._buffer) as view:
            while len(view) - start >= LENGTH.size:
                (word,) = LENGTH.unpack_from(view, start)
                start += LENGTH.size
                length = word & ~PIECE
                if length > (PIECE_LIMIT + HEAD.size if word & PIECE else LIMIT):
                    raise FrameError(f"a frame claims {length} bytes, more than is allowed")
                if start + length > len(view):
                    start -= LENGTH.size
                    break
                body = bytes(view[start : start + length])
                found.append(_piece(body) if word & PIECE else _message(body))
                start += length
        del self._buffer[:start]
        return found


def _piece(body: bytes) -> Piece:
    if len(body) < HEAD.size:
        raise FrameError(f"a piece of a stream has {len(body)} bytes")
    kind, stream = HEAD.unpack_from(body)
    if kind not in KINDS:
        raise FrameError(f"a piece of a stream is of the unknown kind {kind}")
    return Piece(KINDS[kind], stream, body[HEAD.size :])


def _message(body: bytes) -> "dict[str, object]":
    try:
        message = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise FrameError(f"a frame holds no JSON: {body[:40]!r}") from None
    if not isinstance(message, dict):
        raise FrameError(f"a frame holds no object: {body[:40]!r}")
    return message
