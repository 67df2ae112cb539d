# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats floating-point numbers as Go does. They are finite, because templates cannot compute with them."""

from __future__ import annotations

import math

SHORTEST = -1
"""A precision: the fewest digits that identify the number."""

_MIN_PLAIN_EXPONENT = -4
_MAX_PLAIN_EXPONENT = 6
"""``%v`` and ``%g`` write an exponent outside of this range."""


def format_float(value: float, verb: str, precision: int) -> str:
    """
    :param verb: one of ``b``, ``e``, ``E``, ``f``, ``g``, ``G``, ``x`` and ``X``.
    """
    if verb == "b":
        return _binary(value)
    if verb in "xX":
        text = _hexadecimal(value, precision)
    elif precision == SHORTEST:
        text = _shortest(value, verb.lower())
    elif verb in "gG":
        text = f"{value:.{precision or 1}g}"
    else:
        text = f"{value:.{precision}{verb.lower()}}"
    return text.upper() if verb.isupper() else text


def _shortest(value: float, verb: str) -> str:
    sign = "-" if math.copysign(1, value) < 0 else ""
    mantissa, _, exponent_text = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent_text or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        digits, point = "0", 1
    exponent = point - 1
    if verb == "e" or (verb == "g" and not _MIN_PLAIN_EXPONENT <= exponent < _MAX_PLAIN_EXPONENT):
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{exponent:+03d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _parts(value: float) -> tuple[int, int]:
    """Mantissa and exponent of two, as the number is stored."""
    fraction, exponent = math.frexp(abs(value))
    mantissa, exponent = int(fraction * 2**53), exponent - 53
    if not mantissa:
        return 0, -1074
    if exponent < -1074:
        mantissa >>= -1074 - exponent
        exponent = -1074
    return mantissa, exponent


def _binary(value: float) -> str:
    mantissa, exponent = _parts(value)
    return f"{'-' if math.copysign(1, value) < 0 else ''}{mantissa}p{exponent:+d}"


def _hexadecimal(value: float, precision: int) -> str:
    sign = "-" if math.copysign(1, value) < 0 else ""
    mantissa, exponent = _parts(value)
    if mantissa:
        shift = 53 - mantissa.bit_length()
        mantissa, exponent = mantissa << shift, exponent - shift + 52
    else:
        exponent = 0
    if 0 <= precision < 13:
        bits = 52 - 4 * precision
        rest = mantissa & ((1 << bits) - 1)
        mantissa >>= bits
        half = 1 << (bits - 1)
        mantissa += rest > half or (rest == half and mantissa & 1)
        mantissa <<= bits
        if mantissa >= 2**53:
            mantissa, exponent = mantissa >> 1, exponent + 1
    fraction = f"{mantissa & (2**52 - 1):013x}"
    fraction = fraction.rstrip("0") if precision < 0 else fraction[:precision].ljust(precision, "0")
    return f"{sign}0x{mantissa >> 52}{'.' if fraction else ''}{fraction}p{exponent:+03d}"
