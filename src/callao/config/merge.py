# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of lima.yaml laid over each other, by Lima's rules.

Maps merge key by key and the more specific value wins; lists append the less specific layer's
entries, but ``base``, ``provision`` and ``probes``, which begin with them, and ``dns``, which the more
specific layer replaces. Then entries that mean the same thing are combined: ``additionalDisks`` by
name, ``mounts`` by mount point, ``networks`` by interface; an entry with the key ``*`` gives its
fields to all entries of less specific layers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_BASE_FIRST = frozenset({"base", "provision", "probes"})
_REPLACED = frozenset({"dns"})
_HIGHEST = frozenset({"minimumLimaVersion", "minimumVersion"})
_UNIQUE = frozenset({"mountTypesUnsupported", "files", "certs"})

Document = dict[str, object]


def merge(layers: Sequence[Mapping[str, object]]) -> Document:
    """One document from several, the most specific first. The layers stay as they are."""
    merged: Document = {}
    for layer in reversed(layers):
        merged = _maps(layer, merged)
    for key, name_of in _COMBINED.items():
        entries = merged.get(key)
        if isinstance(entries, list):
            merged[key] = _combine(entries, name_of)
    return merged


def _maps(over: Mapping[str, object], under: Mapping[str, object]) -> Document:
    merged = dict(under)
    for key, value in over.items():
        merged[key] = _values(key, value, under[key]) if under.get(key) is not None else _copy(value)
    return merged


def _values(key: str, over: object, under: object) -> object:
    if over is None:
        return _copy(under)
    if isinstance(over, Mapping) and isinstance(under, Mapping):
        return _maps(over, under)
    if key == "base":
        return [*_listed(under), *_listed(over)]
    if isinstance(over, list) and isinstance(under, list):
        return _lists(key, over, under)
    if key in _HIGHEST and isinstance(over, str) and isinstance(under, str):
        return max(over, under, key=version)
    return _copy(over)


def _lists(key: str, over: list[object], under: list[object]) -> list[object]:
    if key in _REPLACED:
        return list(over)
    both = [*under, *over] if key in _BASE_FIRST else [*over, *under]
    if key in _UNIQUE:
        return [item for index, item in enumerate(both) if item not in both[:index]]
    if key in ("guestPortRange", "hostPortRange"):
        return list(over)
    return both


def version(text: str) -> tuple[int, ...]:
    """A version's numbers, for comparing: ``2.0.1-beta`` is (2, 0, 1)."""
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("-")[0]))


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _copy(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _combine(entries: list[object], name_of: str) -> list[object]:
    """Entries come most specific first; of two with one name, the first keeps its place and fields."""
    combined: list[object] = []
    wildcards: list[Document] = []
    places: dict[object, int] = {}
    for raw in entries:
        entry: object = {"name": raw} if name_of == "name" and isinstance(raw, str) else raw
        if not isinstance(entry, Mapping):
            combined.append(entry)
            continue
        name = entry.get(name_of) or (entry.get("location") if name_of == "mountPoint" else None)
        if name == "*":
            wildcards.append({key: value for key, value in entry.items() if value != "*"})
            continue
        for wildcard in wildcards:
            entry = _maps(wildcard, entry)
        if not isinstance(name, str):
            # Without a name, or with what validation will refuse as one.
            combined.append(dict(entry))
        elif name in places:
            combined[places[name]] = _maps(combined[places[name]], entry)  # type: ignore[arg-type]
        else:
            places[name] = len(combined)
            combined.append(dict(entry))
    return combined


_COMBINED = {"additionalDisks": "name", "mounts": "mountPoint", "networks": "interface"}
"""Lists whose entries have a name, and the key that holds it."""
