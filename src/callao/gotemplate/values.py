# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's types in Python: classes for the types that Python does not distinguish.

``str``, ``bool``, ``int``, ``float`` and ``complex`` stand for Go's string, bool, int, float64 and
complex128; None stands for a missing value.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callao.gotemplate.quoting import to_bytes

Value = Any
"""An instance of a class of this module, or of a Python type in its docstring."""


class Uint8(int):
    """A byte: ``index`` of a string returns one."""


class Uint32(int):
    """A uid."""


class Int64(int):
    """A size in bytes."""


class StringMap(dict[str, str]):
    """``map[string]string``."""


class AnyMap(dict[str, Value]):
    """``map[string]any``."""


@dataclass(frozen=True)
class GoList:
    """A slice, or an array where ``type_name`` has its length."""

    items: Sequence[Value]
    type_name: str


@dataclass(frozen=True)
class Struct:
    fields: Mapping[str, Value]
    type_name: str


@dataclass(frozen=True)
class Pointer:
    """A pointer to a value, or nil. It prints as the value, and is never equal to a value, as in Go."""

    target: Value
    type_name: str
    """The type that it points at."""


@dataclass(frozen=True)
class Address:
    """An IP address, which in Go is a slice of bytes that prints as text."""

    text: str


class Kind(enum.Enum):
    """The kinds of values that comparisons distinguish."""

    INVALID = "nil"
    BOOL = "bool"
    INT = "int"
    UINT = "uint"
    FLOAT = "float"
    COMPLEX = "complex"
    STRING = "string"
    MAP = "map"
    LIST = "list"
    STRUCT = "struct"
    POINTER = "pointer"


_KINDS: dict[type, Kind] = {
    type(None): Kind.INVALID,
    bool: Kind.BOOL,
    int: Kind.INT,
    Int64: Kind.INT,
    Uint8: Kind.UINT,
    Uint32: Kind.UINT,
    float: Kind.FLOAT,
    complex: Kind.COMPLEX,
    str: Kind.STRING,
    StringMap: Kind.MAP,
    AnyMap: Kind.MAP,
    GoList: Kind.LIST,
    Address: Kind.LIST,
    Struct: Kind.STRUCT,
    Pointer: Kind.POINTER,
}
_NAMES: dict[type, str] = {
    type(None): "<nil>",
    bool: "bool",
    int: "int",
    Int64: "int64",
    Uint8: "uint8",
    Uint32: "uint32",
    float: "float64",
    complex: "complex128",
    str: "string",
    StringMap: "map[string]string",
    AnyMap: "map[string]interface {}",
    Address: "net.IP",
}


def kind(value: Value) -> Kind:
    return _KINDS[type(value)]


def type_name(value: Value) -> str:
    """As Go's ``%T`` prints it."""
    if isinstance(value, Pointer):
        return f"*{value.type_name}"
    return value.type_name if isinstance(value, GoList | Struct) else _NAMES[type(value)]


def indirect(value: Value) -> Value:
    """The value that a pointer points at; a nil pointer is returned as it is."""
    return value.target if isinstance(value, Pointer) and value.target is not None else value


def length(value: Value) -> int | None:
    """The length of a value that has one; of a string, in bytes."""
    if isinstance(value, str):
        return len(to_bytes(value))
    if isinstance(value, dict):
        return len(value)
    if isinstance(value, Address):
        return 16
    return len(value.items) if isinstance(value, GoList) else None


def is_true(value: Value) -> bool:
    """Whether ``value`` is not its type's zero value. Unlike in Go, a pointer to false is false."""
    match kind(value):
        case Kind.STRUCT:
            return True
        case Kind.POINTER:
            return value.target is not None and value.target is not False
        case Kind.MAP | Kind.LIST | Kind.STRING:
            return bool(length(value))
    return bool(value)


def to_go_values(known: Mapping[str, Any]) -> AnyMap:
    """The variables of a template in Go's types: integers are uids, maps contain strings."""
    return AnyMap({key: _value_of(value) for key, value in known.items()})


def _value_of(value: Any) -> Value:
    if isinstance(value, Mapping):
        return StringMap(value)
    return Uint32(value) if isinstance(value, int) else value
