# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents made from the schema's own types: the right shape, and any value that has it."""

from __future__ import annotations

import enum
import typing
from typing import Any

import msgspec
from hypothesis import strategies as st

from callao.config.coercion import (
    INTEGER_RANGES,
    MINIMUM_SIZES,
    SHORTHAND_FIELDS,
    SINGLE_OR_LIST,
    fields_of,
    without_none,
)
from callao.config.schema import Config

WORDS = st.sampled_from(
    ["a", "b", "/x", "/y", "~", "eth1", "data", "1.0.0", "{{.Name}}", "#!/bin/sh\ntrue\n"]
)
TEXT = WORDS | st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), max_size=12)
SIZES = st.sampled_from(["4GiB", "8192", "1.5TiB", "8k"]) | st.integers(4096, 2**62)
PORTS = st.integers(1, 65535)
NUMBERS = st.integers(-(2**63), 2**64 - 1)
"""What YAML's readers in Go take for a whole number; a longer one is text."""
NAMED = ("additionalDisks", "mounts", "networks")
"""Lists whose entries merge by their names."""


def documents(record: type = Config, *, without: tuple[str, ...] = ()) -> st.SearchStrategy[dict[str, Any]]:
    """Partial records: each field may be absent, some are null."""
    fields = {
        key: st.none() | _field(record, key, kind)
        for key, kind in fields_of(record).items()
        if key not in without
    }
    return st.sets(st.sampled_from(sorted(fields)), max_size=4).flatmap(
        lambda keys: st.fixed_dictionaries({key: fields[key] for key in keys})
    )


def without_null(value: Any) -> Any:
    """The same document as if its nulls had not been written."""
    if isinstance(value, dict):
        return {key: without_null(each) for key, each in value.items() if each is not None}
    return [without_null(each) for each in value] if isinstance(value, list) else value


def _field(record: type, key: str, kind: Any) -> st.SearchStrategy[Any]:
    if (record, key) in MINIMUM_SIZES:
        return SIZES
    values = _kind(kind, key)
    return values | _kind(typing.get_args(kind)[0], key) if (record, key) in SINGLE_OR_LIST else values


def _kind(kind: Any, key: str) -> st.SearchStrategy[Any]:
    kind = without_none(kind)
    origin = typing.get_origin(kind)
    if origin is tuple:
        inner = typing.get_args(kind)
        if inner[-1] is not Ellipsis:
            return st.lists(PORTS, min_size=2, max_size=2).map(sorted)
        return st.lists(_kind(inner[0], key), max_size=3)
    if origin is typing.Literal:
        return st.sampled_from(typing.get_args(kind))
    if origin is dict:
        return st.dictionaries(TEXT.filter(bool), TEXT | NUMBERS | st.booleans() | st.none(), max_size=3)
    if issubclass(kind, msgspec.Struct):
        whole = st.deferred(lambda: documents(kind))
        return TEXT | whole if kind in SHORTHAND_FIELDS else whole
    if issubclass(kind, enum.Enum):
        return st.sampled_from([str(member) for member in kind])
    if kind is int:
        return st.integers(*INTEGER_RANGES.get(key, (0, 2**31)))
    return st.booleans() if kind is bool else TEXT


def grafted(document: dict[str, Any], value: Any, draw: Any) -> dict[str, Any]:
    """``document`` with ``value`` in place of one of its nodes, wherever that is, or under a new key."""
    key = draw(st.sampled_from(sorted(document)) | st.text(max_size=3))
    return {**document, key: _grafted(document.get(key), value, draw)}


def _grafted(node: Any, value: Any, draw: Any) -> Any:
    if not node or not isinstance(node, dict | list) or draw(st.integers(0, 3)) == 0:
        return value
    if isinstance(node, dict):
        return grafted(node, value, draw)
    index = draw(st.integers(0, len(node) - 1))
    return [*node[:index], _grafted(node[index], value, draw), *node[index + 1 :]]
