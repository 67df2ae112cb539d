# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses number constants, which are untyped as in Go: their spelling determines the types they fit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from callao.gotemplate.quoting import character

_INTEGER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|0[0-7_]*|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[+-]?(?:[0-9_]+\.?[0-9_]*|\.[0-9_]+)(?:[eE][+-]?[0-9][0-9_]*)?")
_HEX_FLOAT = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F_]+\.?[0-9a-fA-F_]*|\.[0-9a-fA-F_]+)[pP][+-]?[0-9][0-9_]*")
_MAX_DIGITS = 1000
"""Digits of a constant: limited, because longer numbers take time and no template needs them."""

_COMPLEX = re.compile(
    r"(?P<real>[+-]?[0-9._]+(?:[eE][+-]?[0-9_]+)?)(?P<imaginary>[+-][0-9._]+(?:[eE][+-]?[0-9_]+)?)i"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number constant and its value in its default type."""

    text: str
    value: int | float | complex | None
    """None for an integer that is too large for Go's int."""


def number(text: str) -> Number:
    """
    :raises ValueError: saying what is wrong with ``text``.
    """
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
    if text.startswith("'"):
        return Number(text, character(text))
    if text.endswith("i"):
        return Number(text, complex(0, _float(text[:-1], text)))
    integer = _integer(text)
    if integer is None:
        return Number(text, _fraction(text))
    if -(2**63) <= integer < 2**63:
        return Number(text, integer)
    if 0 <= integer < 2**64 and text[0] not in "+-":
        return Number(text, None)
    raise ValueError(f"{text}, which no integer type holds")


def complex_number(text: str) -> Number:
    """``1+2i``.

    :raises ValueError: saying what is wrong with ``text``.
    """
    match = _COMPLEX.fullmatch(text) if len(text) <= _MAX_DIGITS else None
    if match is None:
        raise ValueError(f"{text}, which is no complex number")
    return Number(text, complex(_float(match["real"], text), _float(match["imaginary"], text)))


def _integer(text: str) -> int | None:
    match = _INTEGER.fullmatch(text)
    if match is None or not _underscores_fit(text):
        return None
    sign, digits = match.groups()
    digits = digits.replace("_", "")
    if len(digits) > 1 and digits[0] == "0":
        base = {"x": 16, "b": 2, "o": 8}.get(digits[1].lower(), 8)
        value = int(digits[2 if digits[1].isalpha() else 1 :], base)
    else:
        value = int(digits)
    return -value if sign == "-" else value


def _underscores_fit(text: str) -> bool:
    """Whether each underscore is between two digits; the base's prefix counts as a digit."""
    if "_" not in text:
        return True
    plain = text.lstrip("+-")
    hexadecimal = plain[:2].lower() == "0x"
    digits = "0123456789abcdefABCDEF" if hexadecimal else "0123456789"
    based = plain[:2].lower() in ("0x", "0b", "0o")
    marked = "0" + plain[2:] if based else plain
    around = [(marked[:at][-1:], marked[at + 1 : at + 2]) for at, char in enumerate(marked) if char == "_"]
    return all(before and before in digits and after and after in digits for before, after in around)


def _fraction(text: str) -> float:
    """A constant with a decimal point or an exponent."""
    value = _float(text, text)
    if not any(each in text for each in ".eEpP"):
        raise ValueError(f"{text}, which no integer type holds")
    return value


def _float(text: str, whole: str) -> float:
    hexadecimal = _HEX_FLOAT.fullmatch(text)
    if (not hexadecimal and not _FLOAT.fullmatch(text)) or not _underscores_fit(text):
        raise ValueError(f"{whole}, which is no number")
    plain = text.replace("_", "")
    try:
        value = float.fromhex(plain) if hexadecimal else float(plain)
    except OverflowError:
        value = math.inf
    if math.isinf(value):
        raise ValueError(f"{whole}, which no number type holds")
    return value
