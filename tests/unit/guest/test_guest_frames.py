# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct

import pytest

from callao.guest.frames import LIMIT, Decoder, FrameError, encode


def test_what_is_encoded_is_decoded():
    messages = [{"type": "a", "text": "ñandú"}, {}, {"list": [1, None, True]}]
    assert Decoder().feed(b"".join(map(encode, messages))) == messages


def test_bytes_may_come_one_by_one():
    decoder = Decoder()
    data = encode({"a": 1}) + encode({"b": 2})
    assert [message for byte in data for message in decoder.feed(bytes([byte]))] == [{"a": 1}, {"b": 2}]
    assert not decoder.partial


def test_a_frame_that_has_begun_is_known_as_such_and_can_be_dropped():
    decoder = Decoder()
    decoder.feed(encode({"a": 1})[:-1])
    assert decoder.partial
    decoder.reset()
    assert decoder.feed(encode({"b": 2})) == [{"b": 2}]


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n",
        struct.pack("!I", LIMIT + 1),
        struct.pack("!I", 2) + b"[]",
        struct.pack("!I", 0),
        struct.pack("!I", 3) + b"\xff\xfe\xfd",
        struct.pack("!I", 4) + b'{"a"',
        struct.pack("!I", 200_000) + b"[" * 200_000,
    ],
)
def test_garbage_is_refused(garbage):
    with pytest.raises(FrameError):
        Decoder().feed(garbage)


def test_a_message_that_no_decoder_would_take_is_not_encoded():
    with pytest.raises(FrameError):
        encode({"a": "x" * LIMIT})
