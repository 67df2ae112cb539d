# SPDX-License-Identifier: GPL-3.0-or-later
"""How Go reads numbers, booleans and MAC addresses (packages strconv and net)."""

from __future__ import annotations

import re

from verdict import Refusal

DIGITS = {2: "01", 8: "01234567", 10: "0123456789", 16: "0123456789abcdefABCDEF"}
PREFIXES = {"x": 16, "b": 2, "o": 8}
TRUE = frozenset(["1", "t", "T", "TRUE", "true", "True"])
FALSE = frozenset(["0", "f", "F", "FALSE", "false", "False"])


def unsigned_any_base(text: str) -> int:
    """strconv.ParseUint(text, 0, 64): prefixes, a leading 0 for octal, underscores between digits."""
    base, digits = 10, text
    if text.startswith("0") and len(text) > 1:
        base = PREFIXES.get(text[1].lower(), 8)
        digits = text[1:] if base == 8 and text[1] not in "oO" else text[2:]
    if "_" in text and not _underscores_between_digits(text, base):
        raise Refusal("not a whole number")
    digits = digits.replace("_", "")
    if not digits or any(each not in DIGITS[base] for each in digits):
        raise Refusal("not a whole number")
    return _below(int(digits, base), 1 << 64, "number above 64 bits")


def _underscores_between_digits(text: str, base: int) -> bool:
    """An underscore stands between two digits, or between the prefix and a digit."""
    rest = text
    before_ok = False
    if len(text) > 1 and text[0] == "0" and text[1].lower() in PREFIXES:
        rest, before_ok = text[2:], True
    pattern = "_?" if before_ok else ""
    return re.fullmatch(f"{pattern}[0-9a-fA-F]+(_[0-9a-fA-F]+)*", rest) is not None


def unsigned(text: str, bits: int) -> int:
    """strconv.ParseUint(text, 10, bits)."""
    if not re.fullmatch(r"[0-9]+", text):
        raise Refusal("not a whole decimal number")
    return _below(int(text), 1 << bits, f"number above {bits} bits")


def signed(text: str, bits: int = 64) -> int:
    """strconv.ParseInt(text, 10, bits), and strconv.Atoi."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise Refusal("not a whole decimal number")
    value = int(text)
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise Refusal(f"number outside {bits} bits")
    return value


def boolean(text: str) -> bool:
    """strconv.ParseBool."""
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise Refusal("not a boolean")


def mac_address(text: str) -> str:
    """net.ParseMAC, of 6, 8 or 20 bytes; returns lower-case digits with colons."""
    for separator, width in ((":", 2), ("-", 2), (".", 4)):
        pieces = text.split(separator)
        if len(pieces) * width // 2 not in (6, 8, 20) or len(pieces) < 2:
            continue
        if all(re.fullmatch(f"[0-9a-fA-F]{{{width}}}", piece) for piece in pieces):
            digits = "".join(pieces).lower()
            return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    raise Refusal("not a MAC address")


def _below(value: int, limit: int, why: str) -> int:
    if value >= limit:
        raise Refusal(why)
    return value
