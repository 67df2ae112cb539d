# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames: four bytes of length, most significant first, then a JSON object in UTF-8. Both ends use this."""

import json
import struct

PROTOCOL = 1
LIMIT = 1 << 20
"""Bytes of JSON in one frame."""

LENGTH = struct.Struct("!I")


class FrameError(Exception):
    """What came is no frame of ours; nothing after it can be understood either."""


def encode(message: "dict[str, object]") -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode("utf-8")
    if len(body) > LIMIT:
        raise FrameError(f"a message of {len(body)} bytes is longer than {LIMIT}")
    return LENGTH.pack(len(body)) + body


class Decoder:
    """Collects bytes until they are whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer)

    def reset(self) -> None:
        self._buffer.clear()

    def feed(self, data: bytes) -> "list[dict[str, object]]":
        """The messages that these bytes complete.

        :raises FrameError: for what is no frame; what was whole before it in the same bytes is lost with it.
        """
        self._buffer += data
        messages = []
        start = 0
        while len(self._buffer) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer, start)
            if length > LIMIT:
                raise FrameError(f"a frame claims {length} bytes, more than {LIMIT}")
            end = start + LENGTH.size + length
            if end > len(self._buffer):
                break
            messages.append(_message(bytes(self._buffer[start + LENGTH.size : end])))
            start = end
        del self._buffer[:start]
        return messages


def _message(body: bytes) -> "dict[str, object]":
    try:
        message = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise FrameError(f"a frame holds no JSON: {body[:40]!r}") from None
    if not isinstance(message, dict):
        raise FrameError(f"a frame holds no object: {body[:40]!r}")
    return message
