# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration as a document for display, and the difference between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from callao.config.schema import Config
from callao.config.sizes import format_size, parse_size

_FILE_FIELDS = frozenset({"content", "overwrite", "owner", "path", "permissions", "format"})


_OMITTED_UNLESS_SET = {"vmOpts": ("vmOpts", "rosetta"), "osOpts": ("osOpts",)}
"""Fields that have no default in Lima, and the keys by which a document may set them."""


@dataclass(frozen=True)
class Change:
    """One field that differs; ``path`` is as in ``ssh.forwardAgent``, a list counts as one field."""

    path: str
    before: object
    after: object


def to_document(config: Config) -> dict[str, Any]:
    """The configuration in lima.yaml's form, with every default, sizes with units, and without nulls."""
    document: dict[str, Any] = _without_none(msgspec.to_builtins(config))
    document["memory"] = format_size(config.memory)
    document["disk"] = format_size(config.disk)
    for mount in document["mounts"]:
        mount["9p"]["msize"] = format_size(mount["9p"]["msize"])
    options = document["vmOpts"]
    for driver, said in options.pop("others").items():
        if not said:
            continue
        both = isinstance(said, dict) and isinstance(options.get(driver), dict)
        options[driver] = {**options[driver], **said} if both else said
    document["provision"] = [_fields_of_mode(entry) for entry in document["provision"]]
    # Lima does not know them: written only where they are set.
    for own in ("warm", "hostname", "binfmt", "secrets"):
        if not document[own]:
            del document[own]
    return document


def as_written(config: Config, document: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with sizes written as in ``document``, and without empty lists and maps.

    :param document: the document that ``config`` was made from.
    """
    filled = to_document(config)
    for key in ("memory", "disk"):
        filled[key] = _text_of_size(document.get(key), getattr(config, key)) or filled[key]
    given = document.get("mounts")
    said = [each.get("9p") for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    texts = [each.get("msize") for each in said if isinstance(each, Mapping)]
    for entry, mount in zip(filled["mounts"], config.mounts, strict=True):
        known = (_text_of_size(text, mount.p9.msize) for text in texts)
        entry["9p"]["msize"] = next(filter(None, known), entry["9p"]["msize"])
    for key, places in _OMITTED_UNLESS_SET.items():
        if not any(document.get(place) for place in places):
            del filled[key]
    kept: dict[str, Any] = _without_empty(filled)
    return kept


def _text_of_size(written: object, size: int) -> str:
    """The text in the document, if it means ``size``; else empty."""
    if not isinstance(written, str | int) or isinstance(written, bool):
        return ""
    try:
        return str(written) if parse_size(written) == size else ""
    except ValueError:
        return ""


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item not in ({}, [], ())}
    return [_without_empty(item) for item in value] if isinstance(value, list | tuple) else value


def _fields_of_mode(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry without defaults of other modes' fields, which Lima refuses."""
    mode = entry["mode"]
    dropped = _FILE_FIELDS if mode not in ("data", "yq") else {"overwrite"} if mode == "yq" else set()
    return {key: value for key, value in entry.items() if key not in dropped}


def changes(before: Config, after: Config) -> list[Change]:
    """The fields that differ, in the schema's order; sizes are bytes."""
    if before == after:
        return []
    found: list[Change] = []
    _compare(msgspec.to_builtins(before), msgspec.to_builtins(after), "", found)
    return found


def _compare(before: Any, after: Any, path: str, found: list[Change]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            _compare(before.get(key), after.get(key), f"{path}.{key}" if path else key, found)
    elif before != after:
        found.append(Change(path, before, after))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value
