# SPDX-License-Identifier: GPL-3.0-or-later
"""Decodes what ``wsl.exe`` itself writes: UTF-16LE without a byte order mark, or UTF-8. Pure.

It writes UTF-8 when its environment has ``WSL_UTF8=1``, which releases before 0.64.0 do not know. What a
command inside a distribution writes is passed on as it is, so that both can come in one answer.
"""

from __future__ import annotations

import re

from callao.printable import printable

_UTF16_MARK = b"\xff\xfe"
_UTF8_MARK = b"\xef\xbb\xbf"


def decode(data: bytes) -> str:
    """The text, with Linux's line ends, and without control characters; other bytes become U+FFFD.

    UTF-16 of European languages has zero bytes, and that of others has them in its line ends.
    """
    if data.startswith(_UTF8_MARK):
        text = data[len(_UTF8_MARK) :].decode("utf-8", "replace")
    elif b"\0" in data or data.startswith(_UTF16_MARK) or _is_only_utf16(data):
        text = _from_utf16(data.removeprefix(_UTF16_MARK))
    else:
        text = data.decode("utf-8", "replace")
    return printable(text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""))


def lines(data: bytes) -> list[str]:
    """The lines that are not empty, without blanks at either end."""
    return [line.strip() for line in decode(data).split("\n") if line.strip()]


def _from_utf16(data: bytes) -> str:
    if len(data) > 2 and data[0] == 0 and data[1] != 0:  # cut off in the middle of a unit
        data = data[1:]
    return data[: len(data) // 2 * 2].decode("utf-16-le", "replace")


_ASCII_WORD = re.compile(rb"[\t\r\n -~]{4}")


def _is_only_utf16(data: bytes) -> bool:
    """Whether data without a zero byte is no UTF-8, and could be UTF-16: that has no ASCII then, and a code
    page has."""
    if not data or len(data) % 2 or _ASCII_WORD.search(data):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            data.decode("utf-16-le")
        except UnicodeDecodeError:
            return False
        return True
    return False
