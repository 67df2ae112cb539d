# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a document has lima.yaml's shape: its keys, types, sets and ranges. Values may be partial.

The schema's types are the table; the few places where the file says more than the effective
configuration (``guestPort``, ``base``, a disk's bare name) are listed here.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from callao.config.schema import P9, AdditionalDisk, Config, Locator, PortForward, Rosetta
from callao.config.sizes import ALLOWED as A_SIZE
from callao.config.sizes import parse_size
from callao.errors import Problem

Problems = list[Problem]

SMALLEST: dict[tuple[type, str], int] = {(Config, "memory"): 1, (Config, "disk"): 1, (P9, "msize"): 4096}
"""Bytes; whatever has a place here is a size."""

_EXTRA: dict[type, dict[str, Any]] = {
    Config: {"base": tuple[Locator, ...], "rosetta": Rosetta},
    PortForward: {"guestPort": int, "hostPort": int},
}
SHORT: dict[type, str] = {AdditionalDisk: "name", Locator: "url"}
"""Records that may be written as the string that is their one required field."""

LONE = frozenset({(Config, "base")})
"""Lists that may be written as their one entry."""

DEFAULTED = "arch"
"""At the top of the document only, ``default`` is the host's."""

RANGES = {
    "cpus": (1, 4096),
    "guestPort": (1, 65535),
    "hostPort": (1, 65535),
    "localPort": (0, 65535),
    "uid": (0, 2**32 - 2),
    "metric": (0, 2**32 - 1),
    "queueSize": (1, 2**15),
}
"""Of whole numbers, by key. A split ring of virtio has at most 32768 entries."""

PORTS = (1, 65535)


def shape_problems(document: Mapping[str, object]) -> Problems:
    """Every place in ``document`` that is not as lima.yaml is."""
    problems: Problems = []
    _record(Config, document, "", problems)
    return problems


@cache
def fields_of(record: type) -> dict[str, Any]:
    """The record's keys as the file has them, with their types."""
    hints = typing.get_type_hints(record)
    known = {each.encode_name: hints[each.name] for each in msgspec.structs.fields(record)}
    return {**known, **_EXTRA.get(record, {})}


def _record(record: type, value: object, path: str, problems: Problems) -> None:
    if isinstance(value, str) and record in SHORT:
        return
    if not isinstance(value, Mapping):
        problems.append(Problem(path or ".", value, "is not a mapping", "a mapping of keys to values"))
        return
    known = fields_of(record)
    for key, item in value.items():
        name = str(key) if key and str(key).isprintable() else repr(key)
        place = f"{path}.{name}" if path else name
        if key not in known:
            problems.append(_unknown(key, place, item, known))
        elif item is not None:
            if (record, str(key)) in SMALLEST:
                _size(item, place, SMALLEST[record, str(key)], problems)
            elif (record, key) in LONE and not isinstance(item, list | tuple):
                _value(typing.get_args(known[key])[0], item, place, problems)
            else:
                _value(known[key], item, place, problems)


def _unknown(key: object, place: str, item: object, known: Mapping[str, Any]) -> Problem:
    from difflib import get_close_matches

    names = {name.lower(): name for name in known}
    near = get_close_matches(str(key).lower(), list(names), n=1, cutoff=0.5)
    allowed = f"did you mean {names[near[0]]!r}?" if near else ", ".join(sorted(known))
    return Problem(place, item, "is not a field of lima.yaml", allowed)


def _size(value: object, place: str, smallest: int, problems: Problems) -> None:
    try:
        number = parse_size(value)  # type: ignore[arg-type]
    except ValueError:
        problems.append(Problem(place, value, "is not a size", A_SIZE))
        return
    if number < smallest:
        least = "4KiB" if smallest == 4096 else "more than nothing"
        problems.append(Problem(place, value, "is too small", f"at least {least}"))


def _value(kind: Any, value: object, place: str, problems: Problems) -> None:
    """One value against one type of the schema."""
    kind = without_none(kind)
    origin = typing.get_origin(kind)
    if origin is tuple:
        _list(typing.get_args(kind), value, place, problems)
    elif origin is typing.Literal:
        _member(typing.get_args(kind), value, place, problems)
    elif origin is dict:
        _dict(value, place, problems)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        _record(kind, value, place, problems)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        if not (place == DEFAULTED and value == "default"):
            _member(tuple(str(member) for member in kind), value, place, problems)
    else:
        _scalar(kind, value, place, problems)


def _member(allowed: tuple[str, ...], value: object, place: str, problems: Problems) -> None:
    if value not in allowed:
        problems.append(Problem(place, value, "is not known", ", ".join(allowed)))


def _scalar(kind: type, value: object, place: str, problems: Problems) -> None:
    words = {bool: "true or false", int: "a whole number", str: "a string", float: "a number"}
    fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    if not fits:
        problems.append(Problem(place, value, f"is not {words[kind]}", words[kind]))
        return
    low, high = RANGES.get(place.rpartition(".")[2], (None, None)) if kind is int else (None, None)
    if low is not None and high is not None and not low <= value <= high:  # type: ignore[operator]
        problems.append(Problem(place, value, "is out of range", f"{low} to {high}"))


def _list(inner: tuple[Any, ...], value: object, place: str, problems: Problems) -> None:
    if not isinstance(value, list | tuple):
        problems.append(Problem(place, value, "is not a list", "a list"))
        return
    if inner[-1] is not Ellipsis:
        _port_range(value, place, problems)
        return
    for index, item in enumerate(value):
        if item is None:
            problems.append(Problem(f"{place}[{index}]", item, "is empty", "an entry"))
        else:
            _value(inner[0], item, f"{place}[{index}]", problems)


def _port_range(value: list[Any] | tuple[Any, ...], place: str, problems: Problems) -> None:
    allowed = f"two ports, the first not above the second, {PORTS[0]} to {PORTS[1]}"
    whole = all(isinstance(port, int) and not isinstance(port, bool) for port in value)
    if len(value) != 2 or not whole or not PORTS[0] <= value[0] <= value[1] <= PORTS[1]:
        problems.append(Problem(place, list(value), "is not a range of ports", allowed))


def _dict(value: object, place: str, problems: Problems) -> None:
    if not isinstance(value, Mapping):
        problems.append(Problem(place, value, "is not a mapping", "a mapping of names to strings"))
        return
    for key, item in value.items():
        if not isinstance(key, str):
            problems.append(Problem(f"{place}.{key}", key, "is not a name", "a string as key"))
        elif item is not None and not isinstance(item, str | int | float):
            problems.append(Problem(f"{place}.{key}", item, "is not a string", "a string"))


def without_none(kind: Any) -> Any:
    """``T | None`` without its None."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return next(each for each in typing.get_args(kind) if each is not type(None))
    return kind
