# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges what ``persist`` wrote over a template and below the request's own configuration. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from callao.config import effective
from callao.errors import CallaoError
from callao.host import Host
from callao.instances.persisted import Persisted, PersistedItem


@dataclass(frozen=True)
class MergedDocument:
    """The merged document, and a notice for each entry in which the request takes precedence."""

    document: dict[str, object]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class EntryReader:
    """Reads single entries of a lima.yaml with the instance's defaults."""

    name: str
    directory: Path
    host: Host

    def mount_point(self, document: Mapping[str, object], entry: PersistedItem) -> str:
        """The normalized mount point; empty for an invalid entry, which validation reports later."""
        mounts = self._effective(document, "mounts", entry)
        return os.path.normpath(mounts[0].mount_point) if mounts else ""

    def forward(self, document: Mapping[str, object], rule: PersistedItem) -> object:
        """The rule with all defaults; the rule itself when it is invalid."""
        rules = self._effective(document, "portForwards", rule)
        return msgspec.to_builtins(rules[0]) if rules else rule

    def _effective(
        self, document: Mapping[str, object], field: str, entry: PersistedItem
    ) -> tuple[Any, ...]:
        alone = {**document, "mounts": [], "portForwards": [], "plain": False, field: [entry]}
        try:
            config = effective(alone, self.host, name=self.name, instance_dir=self.directory)
        except CallaoError:
            return ()
        return tuple(config.mounts if field == "mounts" else config.port_forwards)


def merge_persisted(
    document: Mapping[str, object],
    asked: Mapping[str, object],
    persisted: Persisted,
    context: EntryReader,
) -> MergedDocument:
    """Merge; ``document`` is the merged template and request, ``asked`` the request's own part of it."""
    mounts = _merge_mounts(document, asked, persisted, context)
    forwards = _merge_forwards(mounts.document, asked, persisted, context)
    return MergedDocument(forwards.document, (*mounts.notices, *forwards.notices))


def _merge_mounts(
    document: Mapping[str, object], asked: Mapping[str, object], persisted: Persisted, context: EntryReader
) -> MergedDocument:
    if not persisted.mounts:
        return MergedDocument({**document})
    requested = {context.mount_point(document, each): each for each in _entries(asked, "mounts")}
    merged = [(context.mount_point(document, each), each) for each in _entries(document, "mounts")]
    notices = []
    for point, entry in persisted.mounts.items():
        if point in requested:
            if entry is None or any(requested[point].get(key) != value for key, value in entry.items()):
                notices.append(
                    f"{context.name}: mounts: the request's {point} takes precedence over what persist "
                    "has written of it."
                )
        elif entry is None:
            merged = [(at, each) for at, each in merged if at != point]
        elif point in [at for at, _ in merged]:
            merged = [(at, {**each, **entry} if at == point else each) for at, each in merged]
        else:  # last, because its mount point may be below another one
            merged.append((point, entry))
    return MergedDocument({**document, "mounts": [each for _, each in merged]}, tuple(notices))


def _merge_forwards(
    document: Mapping[str, object], asked: Mapping[str, object], persisted: Persisted, context: EntryReader
) -> MergedDocument:
    if not persisted.forwards and not persisted.removed:
        return MergedDocument({**document})
    requested = [context.forward(document, each) for each in _entries(asked, "portForwards")]
    rules = _entries(document, "portForwards")
    notices = []
    for rule in persisted.removed:
        full = context.forward(document, rule)
        if full in requested:
            notices.append(
                f"{context.name}: portForwards: the request's rule ({_format_rule(rule)}) takes precedence "
                "over its removal by persist."
            )
        else:
            rules = [each for each in rules if context.forward(document, each) != full]
    existing = [context.forward(document, each) for each in rules]
    added = []
    for rule in persisted.forwards:
        full = context.forward(document, rule)
        if full in existing:
            continue
        if any(_conflict(full, each) for each in requested):
            notices.append(
                f"{context.name}: portForwards: the request's rules take precedence over what persist has "
                f"written ({_format_rule(rule)})."
            )
        else:
            added.append(rule)
    return MergedDocument({**document, "portForwards": [*added, *rules]}, tuple(notices))


_GUEST_FIELDS = ("guestIPMustBeZero", "guestIP", "guestPortRange", "guestSocket")
_HOST_FIELDS = ("hostIP", "hostPortRange", "hostSocket")


def _conflict(one: object, other: object) -> bool:
    """Whether two different rules conflict: they have the same port of the guest, or of the host."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return False
    protocols = {one.get("proto"), other.get("proto")}
    if one.get("reverse") != other.get("reverse") or (len(protocols) > 1 and "any" not in protocols):
        return False
    if all(one.get(key) == other.get(key) for key in _GUEST_FIELDS):
        return True
    reserving = not (one.get("ignore") or other.get("ignore"))
    return reserving and all(one.get(key) == other.get(key) for key in _HOST_FIELDS)


def _format_rule(rule: PersistedItem) -> str:
    return ", ".join(f"{key}: {value}" for key, value in rule.items())


def _entries(document: Mapping[str, object], field: str) -> list[PersistedItem]:
    entries = document.get(field)
    return [dict(each) for each in entries if isinstance(each, Mapping)] if isinstance(entries, list) else []
