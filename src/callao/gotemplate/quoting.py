# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes Go's quoted strings. A byte that is not UTF-8 is a surrogate, see PEP 383."""

from __future__ import annotations

import re

_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_NAMED = {7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 92: "\\\\"}
_ESCAPE = re.compile(
    r"""\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(["'\\abfnrtv]))"""
)
_MAX_CODE_POINT = 0x10FFFF


def to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def to_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def is_byte(char: str) -> bool:
    """Whether ``char`` stands for a byte that is not UTF-8."""
    return "\udc80" <= char <= "\udcff"


def unquote(literal: str) -> str:
    """The text of a ``"string"`` or a ```raw string```, quotes included.

    :raises ValueError: saying what is wrong with it.
    """
    body = literal[1:-1]
    if literal[0] == "`":
        return body.replace("\r", "")
    if "\\" not in body:
        return body
    data, at = bytearray(), 0
    while (found := body.find("\\", at)) >= 0:
        data += to_bytes(body[at:found])
        code, single, at = _escape(body, found, '"')
        data += bytes([code]) if single else chr(code).encode()
    return to_text(bytes(data + to_bytes(body[at:])))


def character(literal: str) -> int:
    """The code of a ``'c'`` constant.

    :raises ValueError: saying what is wrong with it.
    """
    body = literal[1:-1]
    if body.startswith("\\"):
        code, _, end = _escape(body, 0, "'")
        if end == len(body):
            return code
    elif len(body) == 1:
        return 0xFFFD if is_byte(body) else ord(body)
    raise ValueError(f"{literal}, which is not one character")


def _escape(text: str, at: int, quote: str) -> tuple[int, bool, int]:
    """The code, whether it is a single byte, and the offset after the escape."""
    match = _ESCAPE.match(text, at)
    if match is None:
        raise ValueError(f"{text[at : at + 2]}, which is no escape")
    byte, short, long, octal, simple = match.groups()
    if simple:
        if simple in "\"'":
            if simple != quote:
                raise ValueError(f"\\{simple}, which is no escape here")
            return ord(simple), True, match.end()
        return _SIMPLE[simple], True, match.end()
    code = int(octal, 8) if octal else int(byte or short or long, 16)
    if octal and code > 255:
        raise ValueError(f"\\{octal}, which is more than a byte")
    if (short or long) and (code > _MAX_CODE_POINT or 0xD800 <= code < 0xE000):
        raise ValueError(f"{match.group()}, which is no character")
    return code, bool(byte or octal), match.end()


def quote(text: str, *, ascii_only: bool) -> str:
    """``text`` as a Go string in double quotes."""
    return '"' + "".join(_escaped(char, '"', ascii_only) for char in text) + '"'


def quote_character(code: int, *, ascii_only: bool) -> str:
    """A character as Go writes its constant, in single quotes."""
    valid = code <= _MAX_CODE_POINT and not 0xD800 <= code < 0xE000
    return "'" + _escaped(chr(code) if valid else "\ufffd", "'", ascii_only) + "'"


def can_be_raw(text: str) -> bool:
    """Whether ``text`` can stand in a raw string on one line."""
    return not any((char < " " and char != "\t") or char in "`\x7f\ufeff" or is_byte(char) for char in text)


def _escaped(char: str, quotes: str, ascii_only: bool) -> str:
    code = ord(char)
    if is_byte(char):
        return f"\\x{code - 0xDC00:02x}"
    if char == quotes:
        return "\\" + char
    if code in _NAMED:
        return _NAMED[code]
    if char.isprintable() and (char.isascii() or not ascii_only):
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
