# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct

import pytest

from callao.guest.frames import (
    MESSAGE_LIMIT,
    STREAM_BIT,
    STREAM_DATA_LIMIT,
    Decoder,
    FrameError,
    FrameKind,
    StreamFrame,
    encode,
    encode_stream_frame,
)


def test_what_is_encoded_is_decoded():
    messages = [{"type": "a", "text": "ñandú"}, {}, {"list": [1, None, True]}]
    assert Decoder().feed(b"".join(map(encode, messages))) == messages


def test_bytes_may_come_one_by_one():
    decoder = Decoder()
    data = encode({"a": 1}) + encode({"b": 2})
    assert [message for byte in data for message in decoder.feed(bytes([byte]))] == [{"a": 1}, {"b": 2}]
    assert not decoder.has_partial_frame


def test_pieces_of_streams_come_between_messages_as_they_were():
    pieces = [StreamFrame(kind, 0xFFFFFFFF, bytes(range(256))) for kind in FrameKind] + [
        StreamFrame(FrameKind.END, 0, b"")
    ]
    data = b"".join(encode({"n": n}) + encode_stream_frame(*piece) for n, piece in enumerate(pieces))
    found = Decoder().feed(data)
    assert found[1::2] == pieces
    assert found[::2] == [{"n": n} for n in range(len(pieces))]


def test_a_frame_that_has_begun_is_known_as_such_and_can_be_dropped():
    decoder = Decoder()
    decoder.feed(encode({"a": 1})[:-1])
    assert decoder.has_partial_frame
    decoder.reset()
    assert decoder.feed(encode({"b": 2})) == [{"b": 2}]


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n",
        struct.pack("!I", MESSAGE_LIMIT + 1),
        struct.pack("!I", 2) + b"[]",
        struct.pack("!I", 0),
        struct.pack("!I", 3) + b"\xff\xfe\xfd",
        struct.pack("!I", 4) + b'{"a"',
        struct.pack("!I", 200_000) + b"[" * 200_000,
        struct.pack("!I", STREAM_BIT | (STREAM_DATA_LIMIT + 6)),
        struct.pack("!I", STREAM_BIT | 4) + b"\2\0\0\0",
        struct.pack("!I", STREAM_BIT | 5) + b"\0\0\0\0\1",
        struct.pack("!I", STREAM_BIT | 5) + b"\6\0\0\0\1",
    ],
)
def test_garbage_is_refused(garbage):
    with pytest.raises(FrameError):
        Decoder().feed(garbage)


def test_a_message_that_no_decoder_would_take_is_not_encoded():
    with pytest.raises(FrameError):
        encode({"a": "x" * MESSAGE_LIMIT})
