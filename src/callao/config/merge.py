# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges a template with its base templates, by Lima's rules for ``base``.

Maps merge key by key, and the more specific value wins, null included. Lists append the entries of the less
specific layer, except ``base``, ``provision`` and ``probes``, which begin with them, and ``dns``, which the
more specific layer replaces. After all layers are merged, entries with the same key are combined:
``additionalDisks`` by name, ``mounts`` by mount point, ``networks`` by interface; an entry with the key
``*`` gives its fields to all entries before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callao.config.merge_lists import combine
from callao.config.versions import version

_BASE_FIRST = frozenset({"base", "provision", "probes"})
_MAXIMUM_FIELDS = frozenset({("minimumLimaVersion",), ("vmOpts", "qemu", "minimumVersion")})

Document = dict[str, object]
Path = tuple[str, ...]


def merge(layers: Sequence[Mapping[str, object]]) -> Document:
    """One document from several, the most specific first. The layers are not changed."""
    return combine(merge_without_combining(layers))


def merge_without_combining(layers: Sequence[Mapping[str, object]]) -> Document:
    """Merge without combining list entries, because more layers may follow below."""
    merged: Document = {}
    for layer in reversed(layers):
        merged = _merge_maps((), layer, merged)
    return merged


def _merge_maps(path: Path, over: Mapping[str, object], under: Mapping[str, object]) -> Document:
    merged = dict(under)
    for key, value in over.items():
        merged[key] = _merge_values((*path, key), value, under[key]) if key in under else _copy(value)
    return merged


def _merge_values(path: Path, over: object, under: object) -> object:
    if isinstance(over, Mapping) and isinstance(under, Mapping):
        return _merge_maps(path, over, under)
    if path == ("base",):
        return [*_as_list(under), *_as_list(over)]
    if isinstance(over, list) and isinstance(under, list):
        return _merge_lists(path, over, under)
    if path in _MAXIMUM_FIELDS and isinstance(over, str) and isinstance(under, str):
        return max(over, under, key=version)
    return _copy(over)


def _merge_lists(path: Path, over: list[object], under: list[object]) -> list[object]:
    if path == ("dns",) and over:
        return list(over)
    return [*under, *over] if path[0] in _BASE_FIRST else [*over, *under]


def _as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _copy(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
