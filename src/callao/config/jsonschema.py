# SPDX-License-Identifier: GPL-3.0-or-later
"""Generates the JSON Schema of lima.yaml, for editors and other validators.

Made from the tables of :mod:`callao.config.coercion`, and accepts the same documents. Rules between fields,
and the order of two ports in a range, are checked by :func:`callao.config.effective` alone.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from callao.config.coercion import (
    DEFAULT_KEYWORD_FIELDS,
    EMPTY_KEYWORD_FIELDS,
    INTEGER_RANGES,
    MINIMUM_SIZES,
    NOT_TRUNCATED,
    PORT_RANGE,
    SHORTHAND_FIELDS,
    SINGLE_OR_LIST,
    UNSET_WHEN_ZERO,
    fields_of,
    without_none,
)
from callao.config.descriptions import DESCRIPTIONS
from callao.config.schema import P9, Config, Provision
from callao.config.sizes import format_size

Schema = dict[str, Any]

_SIZE = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)? ?([kKmMgGtTpP]([iI]?[bB])?|[bB])?$"
_NUMBER = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
_SCALARS = ["string", "number", "boolean"]
_DEFAULTS: dict[tuple[type, str], str] = {(Config, "disk"): "100GiB"}
"""The defaults of :mod:`callao.config.defaults` that do not depend on the host."""

_DEPRECATED: frozenset[tuple[type, str]] = frozenset(
    {(Config, "cpuType"), (Config, "rosetta"), (Provision, "playbook")}
)


def json_schema() -> dict[str, object]:
    """Draft 2020-12, of the file: every field may be absent or null."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://github.com/callao/callao/schema/lima.yaml.json",
        "title": "lima.yaml",
        "description": "A virtual machine, as Lima and Callao run it; or a template of one.",
        **_record(Config),
        "$defs": {record.__name__: _record(record) for record in sorted(_nested_records(Config), key=_name)},
    }


def _name(record: type) -> str:
    return record.__name__


def _nested_records(record: type) -> set[type]:
    found: set[type] = set()
    for kind in fields_of(record).values():
        for each in _records(kind):
            found |= {each} | _nested_records(each)
    return found


def _records(kind: Any) -> Iterator[type]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for each in typing.get_args(kind):
        yield from _records(each)


def _record(record: type) -> Schema:
    defaults = {each.encode_name: each.default for each in msgspec.structs.fields(record)}
    properties = {
        key: {**_annotations(record, key, defaults.get(key)), **_nullable(_field(record, key, kind))}
        for key, kind in fields_of(record).items()
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _annotations(record: type, key: str, default: object) -> Schema:
    described: Schema = {"description": DESCRIPTIONS[record][key]}
    if (record, key) in _DEFAULTS:
        described["default"] = _DEFAULTS[record, key]
    elif (record, key) in MINIMUM_SIZES and isinstance(default, int):
        described["default"] = format_size(default)
    elif isinstance(default, str | int):
        described["default"] = default.value if isinstance(default, enum.Enum) else default
    if (record, key) in _DEPRECATED:
        described["deprecated"] = True
    return described


def _field(record: type, key: str, kind: Any) -> Schema:
    schema = _field_type(record, key, kind)
    return _allow_unset(schema, record, key) if key in UNSET_WHEN_ZERO.get(record, ()) else schema


def _field_type(record: type, key: str, kind: Any) -> Schema:
    if (record, key) in MINIMUM_SIZES:
        return {"type": ["string", "number"], "pattern": _SIZE, "minimum": MINIMUM_SIZES[record, key]}
    if (record, key) == (Provision, "permissions"):
        return {"type": "string"}
    schema = _type_schema(kind, key)
    if (record, key) in SINGLE_OR_LIST:
        return {"anyOf": [schema, schema["items"]]}
    if (record, key) in EMPTY_KEYWORD_FIELDS:
        return {"anyOf": [{"enum": [EMPTY_KEYWORD_FIELDS[record, key]]}, schema]}
    return schema


def _allow_unset(schema: Schema, record: type, key: str) -> Schema:
    """Also allows the zero value that Lima writes where a field is not set."""
    if "enum" in schema:
        more = ["", *(["default"] if (record, key) in DEFAULT_KEYWORD_FIELDS else [])]
        return {"enum": [*schema["enum"], *more]}
    if schema.get("type") == "array":
        return {"anyOf": [schema, {"type": "array", "items": {"enum": [0, None]}}]}
    if (record, key) in MINIMUM_SIZES:
        return {"anyOf": [schema, {"enum": [0, *([] if (record, key) == (P9, "msize") else [""])]}]}
    return {"anyOf": [schema, {"enum": [0]}]} if "minimum" in schema else schema


def _type_schema(kind: Any, key: str) -> Schema:
    kind = without_none(kind)
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _list(typing.get_args(kind), key)
    if origin is typing.Literal:
        return {"enum": list(typing.get_args(kind))}
    if origin is dict:
        values = [*_SCALARS, "null"]
        names = {"minLength": 1}
        return {"type": "object", "propertyNames": names, "additionalProperties": {"type": values}}
    if issubclass(kind, msgspec.Struct):
        schema: Schema = {"$ref": f"#/$defs/{kind.__name__}"}
        return {"anyOf": [{"type": _SCALARS}, schema]} if kind in SHORTHAND_FIELDS else schema
    if issubclass(kind, enum.Enum):
        return {"enum": [str(member) for member in kind]}
    if kind is int:
        low, high = INTEGER_RANGES.get(key, (None, None))
        return _integer_schema(low, high, truncated=key not in NOT_TRUNCATED)
    return {"type": "boolean"} if kind is bool else {"type": _SCALARS}


def _integer_schema(low: int | None, high: int | None, *, truncated: bool = True) -> Schema:
    """A number, or a string that holds one; fractions are allowed where they are cut off, as Lima does."""
    bounds = {"minimum": low, "exclusiveMaximum": high + 1} if low is not None and high is not None else {}
    return {"type": ["number" if truncated else "integer", "string"], "pattern": _NUMBER, **bounds}


def _list(inner: tuple[Any, ...], key: str) -> Schema:
    if inner[-1] is Ellipsis:
        return {"type": "array", "items": _type_schema(inner[0], key)}
    port = _integer_schema(*PORT_RANGE)
    return {"type": "array", "items": port, "minItems": len(inner), "maxItems": len(inner)}


def _nullable(schema: Schema) -> Schema:
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return {**schema, "type": [*kinds, "null"]}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
