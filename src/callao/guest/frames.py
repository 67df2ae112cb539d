# SPDX-License-Identifier: GPL-3.0-or-later
"""Encodes and decodes frames: a length of four bytes, big-endian, then the content. Host and guest use this.

The content is a message, a JSON object in UTF-8. Where the highest bit of the length is set, the frame
belongs to a stream (:mod:`callao.guest.streams.window`): a byte with its kind, four with the stream's
number, and data.
"""

import enum
import json
import struct
from typing import NamedTuple, Union

PROTOCOL = 1
MESSAGE_LIMIT = 1 << 20
"""Bytes of JSON in one frame."""

LENGTH_FORMAT = struct.Struct("!I")
STREAM_HEADER = struct.Struct("!BI")
STREAM_BIT = 1 << 31

TCP_SEGMENT = (1 << 15) - LENGTH_FORMAT.size - STREAM_HEADER.size
"""Bytes of a TCP stream in one frame: with its header, it is what a virtio port takes in one write(2)."""

STREAM_DATA_LIMIT = 1 << 16
"""Bytes of data in one frame of a stream; a datagram has at most 65,507."""


class FrameError(Exception):
    """The bytes received are no valid frame; nothing after them can be decoded either."""


class FrameKind(enum.IntEnum):
    """The kinds of frames of a stream."""

    OPEN = 1
    """From the host: connect to the target in the data."""
    DATA = 2
    """Bytes of a TCP stream, or one datagram."""
    CREDIT = 3
    """The receiver may send this many more bytes; four bytes."""
    END = 4
    """The sender has sent everything; the other direction stays open."""
    RESET = 5
    """The stream has failed, or was refused. It has ended; this frame is not answered."""


FRAME_KINDS = {each.value: each for each in FrameKind}


class StreamFrame(NamedTuple):
    kind: "FrameKind"
    stream: "int"
    data: "bytes"


Message = Union["dict[str, object]", StreamFrame]


def encode(message: "dict[str, object]") -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode("utf-8")
    if len(body) > MESSAGE_LIMIT:
        raise FrameError(f"a message of {len(body)} bytes is longer than {MESSAGE_LIMIT}")
    return LENGTH_FORMAT.pack(len(body)) + body


def encode_stream_frame(kind: FrameKind, stream: int, data: bytes = b"") -> bytes:
    """``data`` may have STREAM_DATA_LIMIT bytes."""
    return (
        LENGTH_FORMAT.pack(STREAM_BIT | (STREAM_HEADER.size + len(data)))
        + STREAM_HEADER.pack(kind, stream)
        + data
    )


class Decoder:
    """Collects bytes until they form complete frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def has_partial_frame(self) -> bool:
        """Whether the buffer holds an incomplete frame."""
        return bool(self._buffer)

    def reset(self) -> None:
        self._buffer.clear()

    def feed(self, data: bytes) -> "list[Message]":
        """Add bytes, and return the frames that are complete now.

        :raises FrameError: for an invalid frame. Complete frames before it in the same bytes are lost.
        """
        self._buffer += data
        frames = []
        start = 0
        with memoryview(self._buffer) as view:
            while len(view) - start >= LENGTH_FORMAT.size:
                (word,) = LENGTH_FORMAT.unpack_from(view, start)
                start += LENGTH_FORMAT.size
                length = word & ~STREAM_BIT
                if length > (STREAM_DATA_LIMIT + STREAM_HEADER.size if word & STREAM_BIT else MESSAGE_LIMIT):
                    raise FrameError(f"a frame announces {length} bytes, more than is allowed")
                if start + length > len(view):
                    start -= LENGTH_FORMAT.size
                    break
                body = bytes(view[start : start + length])
                frames.append(_decode_stream_frame(body) if word & STREAM_BIT else _decode_message(body))
                start += length
        del self._buffer[:start]
        return frames


def _decode_stream_frame(body: bytes) -> StreamFrame:
    if len(body) < STREAM_HEADER.size:
        raise FrameError(f"a frame of a stream has only {len(body)} bytes")
    kind, stream = STREAM_HEADER.unpack_from(body)
    if kind not in FRAME_KINDS:
        raise FrameError(f"a frame of a stream has the unknown kind {kind}")
    return StreamFrame(FRAME_KINDS[kind], stream, body[STREAM_HEADER.size :])


def _decode_message(body: bytes) -> "dict[str, object]":
    try:
        message = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise FrameError(f"a frame does not hold JSON: {body[:40]!r}") from None
    if not isinstance(message, dict):
        raise FrameError(f"a frame does not hold a JSON object: {body[:40]!r}")
    return message
