# SPDX-License-Identifier: GPL-3.0-or-later
"""persisted.json: the entries that ``persist`` wrote into lima.yaml.

lima.yaml has them too, for the next start. This file keeps them when a later request with a template
writes lima.yaml anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from callao.instances.paths import InstancePaths
from callao.instances.records import read_json, write_json

PersistedItem = dict[str, Any]
"""One entry of lima.yaml's ``mounts`` or ``portForwards``, as it is written there."""


class Persisted(msgspec.Struct, frozen=True, kw_only=True):
    """``mounts`` by mount point, and None for one that shall not be mounted; ``forwards`` in the order of
    lima.yaml; ``removed``: rules that shall not be there."""

    mounts: dict[str, PersistedItem | None] = {}
    forwards: tuple[PersistedItem, ...] = ()
    removed: tuple[PersistedItem, ...] = ()

    def with_mount(self, point: str, entry: PersistedItem | None) -> Persisted:
        others = {key: value for key, value in self.mounts.items() if key != point}
        return msgspec.structs.replace(self, mounts={**others, point: entry})

    def with_forward(self, rule: Mapping[str, Any]) -> Persisted:
        rest = self.without_rule(rule)
        return msgspec.structs.replace(rest, forwards=(dict(rule), *rest.forwards))

    def without_forward(self, rule: Mapping[str, Any]) -> Persisted:
        rest = self.without_rule(rule)
        return msgspec.structs.replace(rest, removed=(*rest.removed, dict(rule)))

    def without_rule(self, rule: Mapping[str, Any]) -> Persisted:
        """Without any entry for the rule."""
        return msgspec.structs.replace(
            self,
            forwards=tuple(each for each in self.forwards if each != rule),
            removed=tuple(each for each in self.removed if each != rule),
        )


def read_persisted(paths: InstancePaths) -> Persisted:
    """Read the file; empty where it is missing or unreadable, because lima.yaml has the entries, too."""
    return read_json(paths.persisted, Persisted) or Persisted()


def write_persisted(paths: InstancePaths, persisted: Persisted) -> None:
    write_json(paths.persisted, persisted)
