# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats one value by one of printf's verbs, as Go's fmt does."""

from __future__ import annotations

from dataclasses import dataclass, replace

from callao.gotemplate.floats import SHORTEST, format_float
from callao.gotemplate.quoting import can_be_raw, quote, quote_character, to_bytes
from callao.gotemplate.values import (
    Address,
    AnyMap,
    GoList,
    Kind,
    Pointer,
    StringMap,
    Struct,
    Value,
    kind,
    type_name,
)

_BASES = {"d": 10, "v": 10, "b": 2, "o": 8, "O": 8, "x": 16, "X": 16}
_MAX_CODE_POINT = 0x10FFFF
_FLOATS = {
    "v": "g",
    "b": "b",
    "g": "g",
    "G": "G",
    "x": "x",
    "X": "X",
    "f": "f",
    "F": "f",
    "e": "e",
    "E": "E",
}
_SIX_DIGITS = frozenset("feEF")


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags, width and precision between % and the verb."""

    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    plus_v: bool = False
    sharp_v: bool = False
    width: int | None = None
    precision: int | None = None


PLAIN = Flags()


def show(value: Value) -> str:
    """The value as ``print`` prints it."""
    return value if type(value) is str else format_value(value, "v", PLAIN)


def format_value(value: Value, verb: str, flags: Flags, *, depth: int = 0) -> str:
    """
    :param depth: how deep in a map or a list the value stands.
    """
    if verb == "T" and not depth and value is not None:
        return _pad(_truncated(type_name(value), flags), flags)
    match kind(value):
        case Kind.INVALID:
            return _pad("<nil>", flags) if verb in "vT" else _bad_verb(value, verb, flags)
        case Kind.BOOL if verb in "tv":
            return _pad("true" if value else "false", flags)
        case Kind.INT | Kind.UINT if verb in "vdboOxXcqU":
            return _integer(value, verb, flags)
        case Kind.FLOAT if verb in _FLOATS:
            return _float(value, verb, flags)
        case Kind.COMPLEX if verb in _FLOATS:
            signed = replace(flags, plus=True)
            return f"({_float(value.real, verb, flags)}{_float(value.imag, verb, signed)}i)"
        case Kind.STRING if verb in "vsxXq":
            return _string(value, verb, flags)
        case Kind.MAP if verb not in "wp" or depth:
            return _map(value, verb, flags, depth)
        case Kind.LIST if verb not in "wp" or depth:
            return _list(value, verb, flags, depth)
        case Kind.STRUCT if verb not in "wp" or depth:
            return _struct(value, verb, flags, depth)
        case Kind.POINTER:
            return _pointer(value, verb, flags, depth)
    return _bad_verb(value, verb, flags)


def _bad_verb(value: Value, verb: str, flags: Flags) -> str:
    """Go's output for a verb that the type does not support, which is not an error."""
    if value is None:
        return f"%!{verb}(<nil>)"
    return f"%!{verb}({type_name(value)}={format_value(value, 'v', flags)})"


def _pad(text: str, flags: Flags, *, zero: bool | None = None) -> str:
    missing = (flags.width or 0) - len(text)
    if missing <= 0:
        return text
    if flags.minus:
        return text + " " * missing
    return ("0" if (flags.zero if zero is None else zero) else " ") * missing + text


def _truncated(text: str, flags: Flags) -> str:
    return text if flags.precision is None else text[: flags.precision]


def _string(value: str, verb: str, flags: Flags) -> str:
    if verb in "xX":
        return _hexadecimal(to_bytes(value), verb, flags)
    text = _truncated(value, flags)
    if verb == "s" or (verb == "v" and not flags.sharp_v):
        return _pad(text, flags)
    if flags.sharp and can_be_raw(text):
        return _pad(f"`{text}`", flags)
    return _pad(quote(text, ascii_only=flags.plus), flags)


def _hexadecimal(data: bytes, verb: str, flags: Flags) -> str:
    data = data if flags.precision is None else data[: flags.precision]
    prefix = "0x" if flags.sharp else ""
    if not data:
        return _pad("", flags)
    pairs = [f"{byte:02x}" for byte in data]
    text = " ".join(prefix + pair for pair in pairs) if flags.space else prefix + "".join(pairs)
    return _pad(text.upper() if verb == "X" else text, flags)


def _integer(value: int, verb: str, flags: Flags) -> str:
    value = int(value) if kind(value) is Kind.INT else value
    if verb in "cq":
        code = value if 0 <= value <= _MAX_CODE_POINT and not 0xD800 <= value < 0xE000 else 0xFFFD
        return _pad(quote_character(code, ascii_only=flags.plus) if verb == "q" else chr(code), flags)
    if verb == "U":
        return _code_point(value, flags)
    if verb == "v" and flags.sharp_v and kind(value) is Kind.UINT:
        return _integer_in_base(value, 16, "x", replace(flags, sharp=True))
    return _integer_in_base(value, _BASES[verb], verb, flags)


def _integer_in_base(value: int, base: int, verb: str, flags: Flags) -> str:
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    if flags.precision == 0 and value == 0:
        return _pad("", flags, zero=False)
    digits = format(abs(value), {2: "b", 8: "o", 10: "d", 16: "X" if verb == "X" else "x"}[base])
    if flags.precision is not None:
        digits = digits.rjust(flags.precision, "0")
    elif flags.zero and not flags.minus and flags.width:
        digits = digits.rjust(flags.width - len(sign), "0")
    if flags.sharp:
        if base == 8:
            digits = digits if digits.startswith("0") else "0" + digits
        else:
            digits = {2: "0b", 10: "", 16: "0X" if verb == "X" else "0x"}[base] + digits
    if verb == "O":
        digits = "0o" + digits
    return _pad(sign + digits, flags, zero=False)


def _code_point(value: int, flags: Flags) -> str:
    code = value % 2**64
    text = "U+" + format(code, "X").rjust(max(4, flags.precision or 0), "0")
    if flags.sharp and code <= _MAX_CODE_POINT and chr(code).isprintable():
        text += f" '{chr(code)}'"
    return _pad(text, flags, zero=False)


def _float(value: float, verb: str, flags: Flags) -> str:
    precision = 6 if verb in _SIX_DIGITS else SHORTEST
    precision = precision if flags.precision is None else flags.precision
    text = format_float(value, _FLOATS[verb], precision)
    sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("+", text)
    if flags.space and sign == "+" and not flags.plus:
        sign = " "
    if flags.sharp and verb != "b":
        digits = _with_point(digits, verb, precision)
    if flags.plus or sign != "+":
        if flags.zero and not flags.minus and (flags.width or 0) > len(digits) + 1:
            return sign + digits.rjust((flags.width or 0) - 1, "0")
        return _pad(sign + digits, flags)
    return _pad(digits, flags)


def _with_point(text: str, verb: str, precision: int) -> str:
    """``%#g`` keeps the decimal point and the zeros behind it."""
    ends = "pP" if verb in "xX" else "eEpP"
    split = next((at for at, char in enumerate(text) if char in ends), len(text))
    number, tail = text[:split], text[split:]
    missing = (6 if precision == SHORTEST else precision) if verb in "vgGx" else 0
    seen = False
    for char in number:
        seen = seen or char not in "0."
        missing -= seen and char != "."
    if "." not in number:
        missing -= number == "0"
        number += "."
    return number + "0" * max(missing, 0) + tail


def _map(value: StringMap | AnyMap, verb: str, flags: Flags, depth: int) -> str:
    pairs = [
        ":".join(format_value(each, verb, flags, depth=depth + 1) for each in pair)
        for pair in sorted(value.items(), key=lambda pair: to_bytes(pair[0]))
    ]
    if flags.sharp_v:
        return f"{type_name(value)}{{{', '.join(pairs)}}}"
    return f"map[{' '.join(pairs)}]"


def _list(value: GoList | Address, verb: str, flags: Flags, depth: int) -> str:
    if isinstance(value, Address):
        return _string(value.text, verb, flags) if verb in "vsxXq" else _bad_verb(value, verb, flags)
    items = [format_value(item, verb, flags, depth=depth + 1) for item in value.items]
    if flags.sharp_v:
        return f"{value.type_name}{{{', '.join(items)}}}"
    return f"[{' '.join(items)}]"


def _struct(value: Struct, verb: str, flags: Flags, depth: int) -> str:
    items = [
        (f"{name}:" if flags.plus_v or flags.sharp_v else "")
        + format_value(item, verb, flags, depth=depth + 1)
        for name, item in value.fields.items()
    ]
    if flags.sharp_v:
        return f"{value.type_name}{{{', '.join(items)}}}"
    return f"{{{' '.join(items)}}}"


def _pointer(value: Pointer, verb: str, flags: Flags, depth: int) -> str:
    """Prints the value that the pointer points at; Go would print an address, which is of no use."""
    if value.target is None:
        return _pad("<nil>", flags) if verb in "vs" else _bad_verb(None, verb, flags)
    return format_value(value.target, verb, flags, depth=depth)
