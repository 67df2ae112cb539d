# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges list entries with the same key, after the base templates are merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from callao.config.scalars import as_text

Document = dict[str, object]
Item = dict[str, Any]

_WILDCARD = "*"
_SCALARS = (str, int, float)


def combine(document: Mapping[str, object]) -> Document:
    """A copy of ``document`` with entries of the same name combined, in the lists whose entries have
    names."""
    combined = dict(document)
    combined |= _unique_lists(document)
    for key, (name_of, fill) in _LISTS.items():
        entries = combined.get(key)
        if isinstance(entries, list):
            written = [
                {"name": each} if key == "additionalDisks" and isinstance(each, _SCALARS) else each
                for each in entries
            ]
            combined[key] = _combine_entries(written, name_of, fill)
    return combined


def _unique_lists(document: Mapping[str, object]) -> Document:
    unique: Document = {}
    types = document.get("mountTypesUnsupported")
    if isinstance(types, list):
        unique["mountTypesUnsupported"] = _unique(types)
    certificates = document.get("caCerts")
    if isinstance(certificates, Mapping):
        lists = {key: _unique(value) for key, value in certificates.items() if isinstance(value, list)}
        unique["caCerts"] = {**certificates, **lists}
    return unique


def _unique(entries: list[object]) -> list[object]:
    return [entry for index, entry in enumerate(entries) if entry not in entries[:index]]


def _combine_entries(
    entries: list[object], name_of: Callable[[Item], object], fill: Callable[[Item, Item], None]
) -> list[object]:
    """Combines entries with the same name: the first one keeps its position and wins."""
    found: list[object] = []
    positions: dict[str, int] = {}
    for entry in entries:
        if not isinstance(entry, Mapping):
            found.append(entry)  # validation reports it
            continue
        name = name_of(dict(entry))
        if isinstance(name, int | float):
            name = as_text(name)  # a name of digits, which YAML reads as a number
        if name == _WILDCARD:
            receivers = [each for each in found if isinstance(each, dict)]
        elif isinstance(name, str) and name in positions:
            receiver = found[positions[name]]
            receivers = [receiver] if isinstance(receiver, dict) else []
        else:
            if isinstance(name, str) and name:
                positions[name] = len(found)
            found.append({key: _shallow_copy(value) for key, value in entry.items()})
            continue
        for receiver in receivers:
            fill(receiver, dict(entry))
    return found


def _shallow_copy(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _fill_missing(receiver: Item, giver: Mapping[str, Any], *keys: str) -> None:
    for key in keys:
        if receiver.get(key) is None and giver.get(key) is not None:
            receiver[key] = giver[key]


def _fill_disk(receiver: Item, giver: Item) -> None:
    _fill_missing(receiver, giver, "format", "fsType")
    if not receiver.get("fsArgs") and giver.get("fsArgs"):
        receiver["fsArgs"] = giver["fsArgs"]


_MOUNT_PARTS = {
    "sshfs": ("cache", "followSymlinks", "sftpDriver"),
    "9p": ("securityModel", "protocolVersion", "msize", "cache"),
    "virtiofs": ("queueSize",),
}


def _fill_mount(receiver: Item, giver: Item) -> None:
    """A wildcard entry gives all fields but its mount point."""
    _fill_missing(receiver, giver, "writable", *(() if _mount_name(giver) == _WILDCARD else ("mountPoint",)))
    for part, keys in _MOUNT_PARTS.items():
        given = giver.get(part)
        if isinstance(given, Mapping):
            own = receiver.get(part)
            merged = dict(own) if isinstance(own, Mapping) else {}
            _fill_missing(merged, given, *keys)
            receiver[part] = merged


def _mount_name(entry: Item) -> object:
    point = entry.get("mountPoint")
    return entry.get("location") if point is None else point


def _fill_network(receiver: Item, giver: Item) -> None:
    """``lima`` and ``socket`` exclude each other: neither is filled in where one of them is set."""
    if not receiver.get("lima") and not receiver.get("socket"):
        for key in ("lima", "socket"):
            if giver.get(key):
                receiver[key] = giver[key]
    if not receiver.get("macAddress") and giver.get("macAddress"):
        receiver["macAddress"] = giver["macAddress"]
    _fill_missing(receiver, giver, "vzNAT", "metric")


def _fill_secret(receiver: Item, giver: Item) -> None:
    """``file`` and ``env`` exclude each other: neither is filled in where one of them is set."""
    if not receiver.get("file") and not receiver.get("env"):
        _fill_missing(receiver, giver, "file", "env")
    _fill_missing(receiver, giver, "inject", "hosts", "caFile")


_LISTS: dict[str, tuple[Callable[[Item], object], Callable[[Item, Item], None]]] = {
    "additionalDisks": (lambda entry: entry.get("name"), _fill_disk),
    "mounts": (_mount_name, _fill_mount),
    "networks": (lambda entry: entry.get("interface"), _fill_network),
    "secrets": (lambda entry: entry.get("name"), _fill_secret),
}
"""Lists whose entries have a name: how to read it, and how one entry fills another."""
