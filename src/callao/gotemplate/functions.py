# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in functions of Go templates. For invalid arguments they raise ValueError with a description."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from callao.gotemplate.comparison import equal, less
from callao.gotemplate.printf import printf
from callao.gotemplate.printing import show
from callao.gotemplate.quoting import to_bytes, to_text
from callao.gotemplate.values import (
    GoList,
    Kind,
    Pointer,
    StringMap,
    Uint8,
    Value,
    indirect,
    is_true,
    kind,
    length,
    type_name,
)

_HTML = {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function; ``max_arguments`` is None where their number is not limited."""

    call: Callable[[Sequence[Value]], Value]
    min_arguments: int
    max_arguments: int | None
    string_arguments: int = 0
    """The number of leading arguments that must be strings."""


def _index(arguments: Sequence[Value]) -> Value:
    item, *indexes = arguments
    if item is None:
        raise ValueError("there is nothing to index")
    for index in indexes:
        item = _element(indirect(item), index)
    return item


def _element(item: Value, index: Value) -> Value:
    if isinstance(item, dict):
        if kind(index) is not Kind.STRING:
            raise ValueError(f"a key is a string, and {show(index)} is of type {type_name(index)}")
        return item.get(index, "" if isinstance(item, StringMap) else None)
    if isinstance(item, str):
        data = to_bytes(item)
        return Uint8(data[_list_index(index, len(data), inside=True)])
    if isinstance(item, GoList):
        return item.items[_list_index(index, len(item.items), inside=True)]
    raise ValueError(f"a value of type {type_name(item)} has no elements")


def _list_index(index: Value, size: int, *, inside: bool) -> int:
    if kind(index) not in (Kind.INT, Kind.UINT):
        raise ValueError(f"an index is a whole number, and {show(index)} is of type {type_name(index)}")
    if not 0 <= index <= size - inside:
        raise ValueError(f"the index {index} is out of range, of {size} elements")
    return int(index)


def _slice(arguments: Sequence[Value]) -> Value:
    item, *indexes = arguments
    item = indirect(item)
    if len(indexes) > 3:
        raise ValueError(f"{len(indexes)} indexes are too many")
    if isinstance(item, str):
        if len(indexes) == 3:
            raise ValueError("a string takes two indexes")
        data = to_bytes(item)
        first, last = _bounds(indexes, len(data))
        return to_text(data[first:last])
    if isinstance(item, GoList):
        first, last = _bounds(indexes, len(item.items))
        return GoList(item.items[first:last], item.type_name)
    raise ValueError(f"a value of type {type_name(item)} cannot be sliced")


def _bounds(indexes: Sequence[Value], size: int) -> tuple[int, int]:
    places = [_list_index(index, size, inside=False) for index in indexes]
    first, last, limit = (*places, *(0, size, size)[len(places) :])
    if not first <= last <= limit:
        raise ValueError(f"the indexes {', '.join(map(str, places))} are not in order")
    return first, last


def _len(arguments: Sequence[Value]) -> Value:
    item = indirect(arguments[0])
    size = length(item)
    if size is None:
        raise ValueError(f"a value of type {type_name(item)} has no length")
    return size


def _call(arguments: Sequence[Value]) -> Value:
    raise ValueError(f"a value of type {type_name(arguments[0])} is no function")


def _print(arguments: Sequence[Value]) -> str:
    """A space separates operands neither of which is a string."""
    parts: list[str] = []
    for at, value in enumerate(arguments):
        if at and not isinstance(value, str) and not isinstance(arguments[at - 1], str):
            parts.append(" ")
        parts.append(show(value))
    return _join(parts)


def _println(arguments: Sequence[Value]) -> str:
    return _join([" ".join(show(value) for value in arguments), "\n"])


def _printf(arguments: Sequence[Value]) -> str:
    form, *values = arguments
    return _join([printf(form, values)])


def _join(parts: Sequence[str]) -> str:
    """Joins the parts; bytes of adjacent parts that form UTF-8 together become one character."""
    text = "".join(parts)
    return text if text.isascii() else to_text(to_bytes(text))


def _escaper(escape: Callable[[str], str]) -> Callable[[Sequence[Value]], Value]:
    def escaped(arguments: Sequence[Value]) -> str:
        values = [_printable(value) for value in arguments]
        return escape(_print(values))

    return escaped


def _printable(value: Value) -> Value:
    value = value.target if isinstance(value, Pointer) else value
    return "<no value>" if value is None else value


def _html(text: str) -> str:
    return "".join(_HTML.get(char, char) for char in text)


def _js(text: str) -> str:
    return "".join(_js_character(char) for char in text)


def _js_character(char: str) -> str:
    if char in _JS:
        return _JS[char]
    if char < " ":
        return f"\\u00{ord(char):02X}"
    if char.isascii() or char.isprintable() or unicodedata.category(char) == "Cs":
        return char
    return f"\\u{ord(char):04X}"


def _urlquery(text: str) -> str:
    return quote_plus(to_bytes(text), safe="")


def _not(arguments: Sequence[Value]) -> Value:
    return not is_true(arguments[0])


def _eq(arguments: Sequence[Value]) -> Value:
    if len(arguments) < 2:
        raise ValueError("there is nothing to compare with")
    return any(equal(arguments[0], other) for other in arguments[1:])


def _ne(arguments: Sequence[Value]) -> Value:
    return not equal(arguments[0], arguments[1])


def _lt(arguments: Sequence[Value]) -> Value:
    return less(arguments[0], arguments[1])


def _le(arguments: Sequence[Value]) -> Value:
    return less(arguments[0], arguments[1]) or equal(arguments[0], arguments[1])


def _gt(arguments: Sequence[Value]) -> Value:
    return not _le(arguments)


def _ge(arguments: Sequence[Value]) -> Value:
    return not less(arguments[0], arguments[1])


def _any_true(arguments: Sequence[Value]) -> Value:
    return next((value for value in arguments if is_true(value)), arguments[-1])


def _all_true(arguments: Sequence[Value]) -> Value:
    return next((value for value in arguments if not is_true(value)), arguments[-1])


SHORT_CIRCUIT = {"and": False, "or": True}
"""Functions whose arguments are evaluated only up to the first that is false, or true."""

BUILTINS: dict[str, Builtin] = {
    "and": Builtin(_all_true, 1, None),
    "call": Builtin(_call, 1, None),
    "eq": Builtin(_eq, 1, None),
    "ge": Builtin(_ge, 2, 2),
    "gt": Builtin(_gt, 2, 2),
    "html": Builtin(_escaper(_html), 0, None),
    "index": Builtin(_index, 1, None),
    "js": Builtin(_escaper(_js), 0, None),
    "le": Builtin(_le, 2, 2),
    "len": Builtin(_len, 1, 1),
    "lt": Builtin(_lt, 2, 2),
    "ne": Builtin(_ne, 2, 2),
    "not": Builtin(_not, 1, 1),
    "or": Builtin(_any_true, 1, None),
    "print": Builtin(_print, 0, None),
    "printf": Builtin(_printf, 1, None, string_arguments=1),
    "println": Builtin(_println, 0, None),
    "slice": Builtin(_slice, 1, None),
    "urlquery": Builtin(_escaper(_urlquery), 0, None),
}
