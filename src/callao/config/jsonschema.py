# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml's JSON Schema, for editors and for whoever checks files without Callao.

Made from the tables that :mod:`callao.config.shape` goes by. It takes whatever that takes; what lies
between fields, and the order within a range, only :func:`callao.config.effective` knows.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from callao.config.descriptions import DESCRIPTIONS
from callao.config.schema import Config, Provision
from callao.config.shape import DEFAULTED, LONE, PORTS, RANGES, SHORT, SMALLEST, fields_of, without_none
from callao.config.sizes import format_size

Schema = dict[str, Any]

_SIZE = r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtTpP][iI]?)?[bB]?\s*$"
_DEFAULTS: dict[tuple[type, str], str] = {(Config, "disk"): "100GiB"}
"""Those that :mod:`callao.config.defaults` fills in and that are the same everywhere."""

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
        "$defs": {record.__name__: _record(record) for record in sorted(_below(Config), key=_name)},
    }


def _name(record: type) -> str:
    return record.__name__


def _below(record: type) -> set[type]:
    found: set[type] = set()
    for kind in fields_of(record).values():
        for each in _records(kind):
            found |= {each} | _below(each)
    return found


def _records(kind: Any) -> Iterator[type]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for each in typing.get_args(kind):
        yield from _records(each)


def _record(record: type) -> Schema:
    defaults = {each.encode_name: each.default for each in msgspec.structs.fields(record)}
    properties = {
        key: {**_described(record, key, defaults.get(key)), **_nullable(_field(record, key, kind))}
        for key, kind in fields_of(record).items()
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _described(record: type, key: str, default: object) -> Schema:
    described: Schema = {"description": DESCRIPTIONS[record][key]}
    if (record, key) in _DEFAULTS:
        described["default"] = _DEFAULTS[record, key]
    elif (record, key) in SMALLEST and isinstance(default, int):
        described["default"] = format_size(default)
    elif isinstance(default, str | int):
        described["default"] = default.value if isinstance(default, enum.Enum) else default
    if (record, key) in _DEPRECATED:
        described["deprecated"] = True
    return described


def _field(record: type, key: str, kind: Any) -> Schema:
    if (record, key) in SMALLEST:
        return {"type": ["string", "integer"], "pattern": _SIZE, "minimum": SMALLEST[record, key]}
    schema = _kind(kind, key)
    if (record, key) in LONE:
        return {"anyOf": [schema, schema["items"]]}
    if record is Config and key == DEFAULTED:
        return {"enum": ["default", *schema["enum"]]}
    return schema


def _kind(kind: Any, key: str) -> Schema:
    kind = without_none(kind)
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _list(typing.get_args(kind), key)
    if origin is typing.Literal:
        return {"enum": list(typing.get_args(kind))}
    if origin is dict:
        values = ["string", "number", "boolean", "null"]
        return {"type": "object", "additionalProperties": {"type": values}}
    if issubclass(kind, msgspec.Struct):
        schema: Schema = {"$ref": f"#/$defs/{kind.__name__}"}
        return {"anyOf": [{"type": "string"}, schema]} if kind in SHORT else schema
    if issubclass(kind, enum.Enum):
        return {"enum": [str(member) for member in kind]}
    if kind is int and key in RANGES:
        low, high = RANGES[key]
        return {"type": "integer", "minimum": low, "maximum": high}
    return {"type": {bool: "boolean", int: "integer", str: "string"}[kind]}


def _list(inner: tuple[Any, ...], key: str) -> Schema:
    if inner[-1] is Ellipsis:
        return {"type": "array", "items": _kind(inner[0], key)}
    port = {"type": "integer", "minimum": PORTS[0], "maximum": PORTS[1]}
    return {"type": "array", "items": port, "minItems": len(inner), "maxItems": len(inner)}


def _nullable(schema: Schema) -> Schema:
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return {**schema, "type": [*kinds, "null"]}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
