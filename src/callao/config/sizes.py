# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses and formats sizes in lima.yaml: ``4GiB``, ``100MB``, or a bare number of bytes."""

from __future__ import annotations

import os
import re
from math import isfinite

from callao.errors import CallaoError

_SIZE = r"(?ai)\+?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)((?:e[-+]?[0-9]{1,3})?) ?(?:([kmgtp])(?:i?b)?|b)?"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_MAX = 2**63 - 1
ALLOWED = "a size such as 4GiB, 512MiB, or a number of bytes"


def parse_size(value: str | int) -> int:
    """The size in bytes. Units are binary, with and without the ``i``, as in docker/go-units' RAMInBytes.
    A fraction of a byte is cut off.

    :raises ValueError: for text that is not a size.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value)
    match = re.fullmatch(_SIZE, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(value)
    number, exponent, unit = match.groups()
    factor: int = 1024 ** _POWERS[(unit or "").lower()]
    if exponent:
        scaled = float(number + exponent) * factor
        return _bounded(int(scaled) if isfinite(scaled) else _MAX + 1)
    whole, _, fraction = number.partition(".")
    return _bounded(int(whole or "0") * factor + int(float(f"0.{fraction or 0}") * factor))


def size_of_environment(variable: str, default: str) -> int:
    """An environment variable in bytes.

    :raises CallaoError: when it is no size.
    """
    value = os.environ.get(variable) or default
    try:
        return parse_size(value)
    except ValueError:
        raise CallaoError(f"{variable}: {value!r} is no size (allowed: {ALLOWED}).") from None


def _bounded(number: int) -> int:
    """Checks that the number fits into Go's int64, which QEMU and the kernel accept, too."""
    if not 0 <= number <= _MAX:
        raise ValueError(number)
    return number


def format_size(number: int) -> str:
    """The shortest exact form: ``4GiB`` for 4294967296, ``1000`` for a thousand bytes."""
    for unit in ("PiB", "TiB", "GiB", "MiB", "KiB"):
        factor = 1024 ** (("KiB", "MiB", "GiB", "TiB", "PiB").index(unit) + 1)
        if number and number % factor == 0:
            return f"{number // factor}{unit}"
    return str(number)
