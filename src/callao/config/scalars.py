# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves YAML scalars as Lima's library does, github.com/goccy/go-yaml: YAML 1.2, and parts of 1.1.

``yes``, ``on``, ``12:30``, ``1e3`` and dates are text; ``0644`` and ``0o644`` are octal, ``0b1`` is binary,
``1_000`` a thousand; a number beyond 64 bits is text.
"""

from __future__ import annotations

import math
import re

_WORDS: dict[str, bool | float | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".inf": math.inf, ".Inf": math.inf, ".INF": math.inf,
    "-.inf": -math.inf, "-.Inf": -math.inf, "-.INF": -math.inf,
    ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan,
}  # fmt: skip
_NUMERIC = re.compile(r"[-+.0-9]")
_FLOAT = re.compile(r"(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_PREFIXES = (("0x", 16), ("0o", 8), ("0b", 2))
_DIGITS = {
    2: re.compile("[01]+"),
    8: re.compile("[0-7]+"),
    10: re.compile("[0-9]+"),
    16: re.compile("[0-9a-fA-F]+"),
}

Scalar = None | bool | int | float | str


class NullKey(str):
    """A null key, which is an empty string in Go's maps; distinct from an empty string in the document."""

    __slots__ = ()


def resolve(text: str) -> Scalar:
    """The value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if not _NUMERIC.match(text):
        return text
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    digits = text.removeprefix("+").removeprefix("-").replace("_", "")
    negative = text.startswith("-")
    base = next((base for prefix, base in _PREFIXES if digits.startswith(prefix)), 0)
    if base:
        return _integer(digits[2:], base, negative)
    dots = text.count(".")
    if dots > 1:
        return None
    if dots == 1:
        if not _FLOAT.fullmatch(digits):
            return None
        value = float(digits)
        return None if math.isinf(value) else -value if negative else value
    octal = digits.startswith("0") and len(digits) > 1
    return _integer(digits, 8 if octal else 10, negative)


def _integer(digits: str, base: int, negative: bool) -> int | None:
    """Within Go's int64 and uint64; a longer number is text."""
    if len(digits) > 64 or not _DIGITS[base].fullmatch(digits):
        return None
    value = int(digits, base)
    if negative:
        return -value if value <= 2**63 else None
    return value if value < 2**64 else None


def as_text(value: bool | int | float | str) -> str:
    """A scalar as text, as Go prints it: ``0644`` becomes ``420``, ``1.10`` becomes ``1.1``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _float_text(value) if isinstance(value, float) else str(value)


def _float_text(value: float) -> str:
    """Go's ``%v``: the shortest digits, with an exponent below 1e-04 and from 1e+06 on."""
    from callao.gotemplate.floats import SHORTEST, format_float

    if math.isfinite(value):
        return format_float(value, "g", SHORTEST)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
