# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for what runs in the guest: ``provision`` and ``probes``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callao.errors import Problem

_SCRIPTS = ("system", "user", "boot", "dependency")
_OF_MODE = {
    "data": ("path", "content"),
    "yq": ("path", "expression"),
    "ansible": ("playbook",),
}
"""Fields that a mode needs, and other modes refuse."""

_OCTAL = re.compile(r"0?[0-7]{3,4}")
_OWNER = re.compile(r"[A-Za-z0-9_.{}$-]+(?::[A-Za-z0-9_.{}$-]+)?")


def provision(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Each entry has what its mode needs and nothing of another's."""
    for index, entry in enumerate(filled["provision"]):
        place, mode = f"provision[{index}]", entry.get("mode", "system")
        if mode in _SCRIPTS:
            yield from _script(entry, place)
        for field in _OF_MODE.get(mode, ()):
            if entry.get(field) is None:
                yield Problem(f"{place}.{field}", None, f"is missing for mode {mode}", f"a {field}")
        for other, fields in _OF_MODE.items():
            for field in fields:
                if other != mode and field not in _OF_MODE.get(mode, ()) and entry.get(field) is not None:
                    yield Problem(
                        f"{place}.{field}", entry[field], f"has no place in mode {mode}", f"mode {other}"
                    )
        yield from _file(entry, place)


def probes(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Each probe is a script that names its interpreter."""
    for index, entry in enumerate(filled["probes"]):
        place = f"probes[{index}]"
        if entry.get("mode", "readiness") != "readiness":
            yield Problem(f"{place}.mode", entry["mode"], "is not known", "readiness")
        script = entry.get("script")
        if script is None:
            yield Problem(f"{place}.script", None, "is missing", "a script that starts with #!")
        elif not script.startswith("#!"):
            yield Problem(
                f"{place}.script", script[:60], "has no interpreter", "a script that starts with #!"
            )


def _script(entry: Mapping[str, Any], place: str) -> Iterator[Problem]:
    if entry.get("script") is None and entry.get("file") is None:
        yield Problem(f"{place}.script", None, "is missing", "a script")


def _file(entry: Mapping[str, Any], place: str) -> Iterator[Problem]:
    path, permissions = entry.get("path"), entry.get("permissions")
    if path is not None and not path.startswith("/"):
        yield Problem(f"{place}.path", path, "is not absolute", "an absolute path in the guest")
    if permissions is not None and not _OCTAL.fullmatch(permissions):
        yield Problem(f"{place}.permissions", permissions, "is not an octal mode", 'octal, such as "644"')
    owner = entry.get("owner")
    if owner is not None and not _OWNER.fullmatch(owner):
        yield Problem(f"{place}.owner", owner, "is not an owner", "USER or USER:GROUP")
