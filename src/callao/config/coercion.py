# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the structure of a document: keys, types, enumerations and ranges. It may be partial.

The schema's types are the table; the few places where the file says more than the effective
configuration (``guestPort``, ``base``, a disk's bare name) are listed here. Scalars are converted as Lima's
library does, and Go's zero values are absent where Lima takes them for unset.
"""

from __future__ import annotations

import enum
import math
import re
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from callao.config.scalars import NullKey, as_text
from callao.config.schema import (
    P9,
    SSHFS,
    VNC,
    AdditionalDisk,
    Audio,
    Config,
    File,
    FirmwareImage,
    Image,
    Kernel,
    Locator,
    Mount,
    Network,
    PortForward,
    Probe,
    Provision,
    Rosetta,
    Secret,
    User,
    Video,
    Virtiofs,
    VMOpts,
    VZOpts,
)
from callao.config.sizes import ALLOWED as A_SIZE
from callao.config.sizes import parse_size
from callao.errors import Problem

Problems = list[Problem]

MINIMUM_SIZES: dict[tuple[type, str], int] = {
    (Config, "memory"): 1,
    (Config, "disk"): 1,
    (P9, "msize"): 4096,
}
"""The fields that are sizes, and their minimum in bytes."""

_FILE_ONLY_FIELDS: dict[type, dict[str, Any]] = {
    Config: {"base": tuple[Locator, ...], "rosetta": Rosetta},
    PortForward: {"guestPort": int, "hostPort": int},
}
_INTERNAL_FIELDS = frozenset({(VMOpts, "others")})
"""Fields of the effective configuration that do not exist in the file."""

SHORTHAND_FIELDS: dict[type, str] = {AdditionalDisk: "name", Locator: "url"}
"""Records that may be written as the string that is their one required field."""

SINGLE_OR_LIST = frozenset({(Config, "base")})
"""Lists that may be written as their one entry."""

EMPTY_KEYWORD_FIELDS: dict[tuple[type, str], str] = {(Config, "egress"): "none"}
"""Records that may be written as a word, which means one without entries."""

DEFAULT_KEYWORD_FIELDS = frozenset({(Config, "arch"), (Config, "os")})
"""Fields whose value ``default`` means that the field is not set."""

_FILES = ("arch", "digest")
UNSET_WHEN_ZERO: dict[type, frozenset[str]] = {
    Config: frozenset({"os", "arch", "cpus", "memory", "disk"}),
    File: frozenset(_FILES),
    Kernel: frozenset({*_FILES, "cmdline"}),
    Image: frozenset({*_FILES, "variant", "archVariant"}),
    FirmwareImage: frozenset({*_FILES, "vmType"}),
    AdditionalDisk: frozenset({"fsType"}),
    Mount: frozenset({"mountPoint"}),
    SSHFS: frozenset({"sftpDriver"}),
    P9: frozenset({"securityModel", "protocolVersion", "cache", "msize"}),
    Virtiofs: frozenset({"queueSize"}),
    Audio: frozenset({"device", "interface"}),
    Video: frozenset({"display"}),
    VNC: frozenset({"display"}),
    VZOpts: frozenset({"diskImageFormat"}),
    Provision: frozenset({"mode", "playbook"}),
    Probe: frozenset({"mode", "description", "hint"}),
    PortForward: frozenset(
        {
            "guestIP", "guestPort", "guestPortRange", "guestSocket",
            "hostIP", "hostPort", "hostPortRange", "hostSocket", "proto",
        }
    ),
    Network: frozenset({"lima", "socket", "macAddress", "interface"}),
    User: frozenset({"home"}),
    Secret: frozenset({"file", "env", "caFile"}),
}  # fmt: skip
"""By record, the fields whose value "" or 0 means that the field is not set; Lima writes these values."""

INTEGER_RANGES = {
    "cpus": (1, 4096),
    "guestPort": (1, 65535),
    "hostPort": (1, 65535),
    "localPort": (0, 65535),
    "uid": (0, 2**32 - 2),
    "metric": (0, 2**32 - 1),
    "queueSize": (1, 2**15),
}
"""The ranges of integer fields, by key. A split virtqueue has at most 32768 entries."""

PORT_RANGE = (1, 65535)

NOT_TRUNCATED = frozenset({"cpus", "queueSize"})
"""Integer fields whose fraction Lima cuts off and Callao refuses, because 2.5 CPUs are a mistake."""

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_MAX_NUMBER_LENGTH = 40
_MAX_UNKNOWN_KEYS = 50
"""Unknown keys that get a warning each; one more warning stands for all others."""

_TYPE_NAMES = {bool: "true or false", int: "a whole number", str: "a string", float: "a number"}


def coerce(
    document: Mapping[str, object], vm_type: str | None = None
) -> tuple[dict[str, Any], Problems, Problems]:
    """``document`` with its scalars in the schema's types, without null, unset and unknown fields.

    The second is what is wrong, the third what is unknown: Lima goes on without it.

    :param vm_type: the driver whose ``vmOpts`` must be right; what is said of others is carried along.
    """
    coercion = _Coercion([], [])
    options = document.get("vmOpts")
    if vm_type is not None and isinstance(options, Mapping):
        document = {**document, "vmOpts": _usable_options(options, vm_type)}
    shaped = coercion.record(Config, document, "")
    if not isinstance(shaped, dict):
        return {}, coercion.problems, coercion.unknown
    carried = _options_of_other_drivers(options, shaped.get("vmOpts")) if vm_type is not None else {}
    if carried:
        shaped["vmOpts"] = {**(shaped.get("vmOpts") or {}), "others": carried}
    return shaped, coercion.problems, coercion.unknown


def _usable_options(options: Mapping[Any, object], vm_type: str) -> dict[str, object]:
    """The options without those of other drivers that are invalid."""
    kept: dict[str, object] = {}
    for driver, record in fields_of(VMOpts).items():
        if driver in options:
            coercion = _Coercion([], [])
            coercion.record(record, options[driver] or {}, "")
            if driver == vm_type or not coercion.problems:
                kept[driver] = options[driver]
    return kept


def _options_of_other_drivers(options: object, shaped: object) -> dict[str, object]:
    """The driver options of a document that ``shaped`` does not contain; they are kept unchanged."""
    if not isinstance(options, Mapping) or not isinstance(shaped, Mapping | None):
        return {}
    known = shaped or {}
    carried: dict[str, object] = {}
    for driver, said in options.items():
        rest = said
        if driver in known and isinstance(said, Mapping):
            fields = fields_of(fields_of(VMOpts)[driver])
            rest = {key: value for key, value in said.items() if key not in fields}
        if rest:
            carried[str(driver)] = rest
    return carried


def schema_problems(document: Mapping[str, object]) -> Problems:
    """Every field of ``document`` that does not conform to the schema, and every unknown key."""
    _, wrong, unknown = coerce(document)
    return wrong + unknown


@cache
def fields_of(record: type) -> dict[str, Any]:
    """The record's keys, as spelled in the file, and their types."""
    hints = typing.get_type_hints(record)
    fields = [each for each in msgspec.structs.fields(record) if (record, each.name) not in _INTERNAL_FIELDS]
    known = {each.encode_name: hints[each.name] for each in fields}
    return {**known, **_FILE_ONLY_FIELDS.get(record, {})}


def is_unset(record: type, key: str, item: object) -> bool:
    """Whether the field is not set: null, or Go's zero value in a field where that means the same."""
    if item is None:
        return True
    if (record, key) in DEFAULT_KEYWORD_FIELDS and item == "default":
        return True
    if key not in UNSET_WHEN_ZERO.get(record, ()):
        return False
    kind = without_none(fields_of(record)[key])
    if isinstance(item, list | tuple):
        return typing.get_origin(kind) is tuple and not any(each not in (0, None) for each in item)
    size = (record, key) in MINIMUM_SIZES
    if item == "":
        return typing.get_origin(kind) is not tuple and (kind is not int or (size and record is not P9))
    if kind is not int or isinstance(item, bool) or (size and isinstance(item, str)):
        return False
    number = _converted(int, item)
    return number == 0 and (item == 0 or not isinstance(item, float) or not (size or key in NOT_TRUNCATED))


class _Coercion:
    def __init__(self, problems: Problems, unknown: Problems) -> None:
        self.problems = problems
        self.unknown = unknown

    def record(self, record: type, value: object, path: str) -> Any:
        if record in SHORTHAND_FIELDS and isinstance(value, str | int | float):
            return as_text(value)
        if not isinstance(value, Mapping):
            return self._add_problem(path or ".", value, "is not a mapping", "a mapping of keys to values")
        known = fields_of(record)
        shaped: dict[str, Any] = {}
        for key, item in value.items():
            name = str(key) if key and str(key).isprintable() else repr(key)
            place = f"{path}.{name}" if path else name
            if (record, key) == (Secret, "value"):  # not shown: it may be the value itself
                allowed = "file or env, which say where it comes from"
                self._add_problem(place, "…", "would be kept on the disk", allowed)
            elif key not in known:
                self._add_unknown(key, place, item, known)
            elif not is_unset(record, key, item):
                shaped[key] = self._field(record, key, known[key], item, place)
        return shaped

    def _add_unknown(self, key: object, place: str, item: object, known: Mapping[str, Any]) -> None:
        """Limits the number of problems: a document may have thousands of unknown keys, and finding a
        similar name for each is slow.
        """
        if len(self.unknown) < _MAX_UNKNOWN_KEYS:
            self.unknown.append(_unknown(key, place, item, known))
        elif len(self.unknown) == _MAX_UNKNOWN_KEYS:
            self.unknown.append(Problem(place, item, "and more are no fields of lima.yaml"))

    def _field(self, record: type, key: str, kind: Any, item: object, place: str) -> Any:
        if (record, key) in MINIMUM_SIZES:
            return self._size(item, place, MINIMUM_SIZES[record, key])
        if (record, key) in SINGLE_OR_LIST and not isinstance(item, list | tuple):
            return [self._value(typing.get_args(kind)[0], item, place)]
        if item == EMPTY_KEYWORD_FIELDS.get((record, key), object()):
            return {}
        if (record, key) == (Provision, "permissions") and isinstance(item, int | float):
            # A YAML reader may have read the digits as an octal number: see nodes.py.
            return self._add_problem(place, item, "is a number", 'octal digits in quotes, such as "644"')
        return self._value(kind, item, place)

    def _value(self, kind: Any, value: object, place: str) -> Any:
        """One value against one type of the schema."""
        kind = without_none(kind)
        origin = typing.get_origin(kind)
        if origin is tuple:
            return self._list(typing.get_args(kind), value, place)
        if origin is typing.Literal:
            return self._member(typing.get_args(kind), value, place)
        if origin is dict:
            return self._dict(value, place)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.record(kind, value, place)
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return self._member(tuple(str(member) for member in kind), value, place)
        return self._scalar(kind, value, place)

    def _member(self, allowed: tuple[str, ...], value: object, place: str) -> Any:
        return (
            value
            if value in allowed
            else self._add_problem(place, value, "is not known", ", ".join(allowed))
        )

    def _scalar(self, kind: type, value: object, place: str) -> Any:
        converted = _converted(kind, value)
        key = place.rpartition(".")[2]
        if converted is None or (key in NOT_TRUNCATED and isinstance(value, float) and converted != value):
            return self._add_problem(place, value, f"is not {_TYPE_NAMES[kind]}", _TYPE_NAMES[kind])
        low, high = INTEGER_RANGES.get(key, (None, None)) if kind is int else (None, None)
        if low is not None and high is not None and not low <= converted <= high:
            return self._add_problem(place, value, "is out of range", f"{low} to {high}")
        return converted

    def _size(self, value: object, place: str, smallest: int) -> Any:
        text = as_text(value) if isinstance(value, float) else value
        try:
            number = parse_size(text)  # type: ignore[arg-type]
        except ValueError:
            return self._add_problem(place, value, "is not a size", A_SIZE)
        if number < smallest:
            least = "4KiB" if smallest == 4096 else "more than nothing"
            return self._add_problem(place, value, "is too small", f"at least {least}")
        return text

    def _list(self, inner: tuple[Any, ...], value: object, place: str) -> Any:
        if not isinstance(value, list | tuple):
            return self._add_problem(place, value, "is not a list", "a list")
        if inner[-1] is not Ellipsis:
            return self._port_range(value, place)
        shaped = []
        for index, item in enumerate(value):
            where = f"{place}[{index}]"
            if item is None:
                self._add_problem(where, item, "is empty", "an entry")
            else:
                shaped.append(self._value(inner[0], item, where))
        return shaped

    def _port_range(self, value: list[Any] | tuple[Any, ...], place: str) -> Any:
        ports = [_converted(int, port) for port in value]
        whole = [port for port in ports if port is not None]
        if len(ports) != 2 or len(whole) != 2 or not PORT_RANGE[0] <= whole[0] <= whole[1] <= PORT_RANGE[1]:
            allowed = f"two ports, the first not above the second, {PORT_RANGE[0]} to {PORT_RANGE[1]}"
            return self._add_problem(place, list(value), "is not a range of ports", allowed)
        return ports

    def _dict(self, value: object, place: str) -> Any:
        if not isinstance(value, Mapping):
            return self._add_problem(place, value, "is not a mapping", "a mapping of names to strings")
        shaped: dict[str, str] = {}
        for key, item in value.items():
            if not isinstance(key, str) or (key == "" and not isinstance(key, NullKey)):
                self._add_problem(f"{place}.{key}", key, "is not a name", "a string as key, not empty")
            elif item is not None and not isinstance(item, str | int | float):
                self._add_problem(f"{place}.{key}", item, "is not a string", "a string")
            else:
                shaped[str(key)] = "" if item is None else as_text(item)
        return shaped

    def _add_problem(self, place: str, value: object, message: str, allowed: str) -> None:
        self.problems.append(Problem(place, value, message, allowed))


def _unknown(key: object, place: str, item: object, known: Mapping[str, Any]) -> Problem:
    from difflib import get_close_matches

    names = {name.lower(): name for name in known}
    near = get_close_matches(str(key).lower(), list(names), n=1, cutoff=0.5)
    allowed = f"did you mean {names[near[0]]!r}?" if near else ", ".join(sorted(known))
    return Problem(place, item, "is not a field of lima.yaml", allowed)


def _converted(kind: type, value: object) -> Any:
    """``value`` in the type, where it can be converted without loss; None where not."""
    if isinstance(value, bool) or kind is bool:
        return value if kind is bool and isinstance(value, bool) else as_text(value) if kind is str else None  # type: ignore[arg-type]
    if kind is str:
        return as_text(value) if isinstance(value, str | int | float) else None
    if isinstance(value, str):
        value = _number(value)
    if isinstance(value, float) and kind is int:
        return int(value) if math.isfinite(value) else None
    return value if isinstance(value, int | float) else None


def _number(text: str) -> float | int | None:
    """A number in a string, as Go's ParseFloat reads it, because Lima's library accepts it for an
    integer."""
    if not _NUMBER.fullmatch(text) or len(text) > _MAX_NUMBER_LENGTH:
        return None
    return float(text) if text.strip("+-0123456789") else int(text)


def without_none(kind: Any) -> Any:
    """``T | None`` without its None."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return next(each for each in typing.get_args(kind) if each is not type(None))
    return kind
