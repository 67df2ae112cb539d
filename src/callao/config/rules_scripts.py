# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for what runs in the guest: ``provision`` and ``probes``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callao.config.rules_files import digest
from callao.errors import Problem

_SCRIPTS = ("system", "user", "boot", "dependency")
_NEEDED = {"data": ("path", "content"), "yq": ("path", "expression"), "ansible": ("playbook",)}
_MODES = {
    "script": _SCRIPTS,
    "skipDefaultDependencyResolution": ("dependency",),
    "path": ("data", "yq"),
    "content": ("data",),
    "owner": ("data", "yq"),
    "permissions": ("data", "yq"),
    "overwrite": ("data",),
    "expression": ("yq",),
    "format": ("yq",),
    "playbook": ("ansible",),
}
"""The modes that a field has a place in."""

_HARMLESS = {"owner": "root:root", "overwrite": True, "script": "", "playbook": ""}
"""Defaults, which say nothing where they have no place: a configuration written whole has them."""

_INTERPRETER = "text whose first line is #! and a program, or is no #! line at all"
_OCTAL = re.compile(r"0?[0-7]{3,4}")
_OWNER = re.compile(r"[A-Za-z0-9_.{}$-]+(?::[A-Za-z0-9_.{}$-]+)?")


def provision(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Each entry has what its mode needs and nothing of another's."""
    for index, entry in enumerate(filled["provision"]):
        place, mode = f"provision[{index}]", entry.get("mode", "system")
        if mode in _SCRIPTS:
            yield from _script(entry, place)
        for field in _NEEDED.get(mode, ()):
            if entry.get(field) is None and (entry.get("file") is None or field == "path"):
                yield Problem(f"{place}.{field}", None, f"is missing for mode {mode}", f"a {field}")
        for field, modes in _MODES.items():
            value = entry.get(field)
            if mode not in modes and value is not None and value != _HARMLESS.get(field):
                allowed = f"mode {' or '.join(modes)}"
                yield Problem(f"{place}.{field}", _brief(value), f"has no place in mode {mode}", allowed)
        yield from _locator(entry, place, unread=mode not in _SCRIPTS)
        yield from _file(entry, place)


def probes(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Each probe is a script that names its interpreter."""
    for index, entry in enumerate(filled["probes"]):
        place = f"probes[{index}]"
        yield from _locator(entry, place, unread=True)
        script = entry.get("script")
        if script is None and entry.get("file") is not None:
            continue
        if script is None:
            yield Problem(f"{place}.script", None, "is missing", "a script that starts with #!, or a file")
        elif not script.startswith("#!"):
            yield Problem(
                f"{place}.script", _brief(script), "has no interpreter", "a script that starts with #!"
            )


def _script(entry: Mapping[str, Any], place: str) -> Iterator[Problem]:
    script = entry.get("script")
    if not script:
        if entry.get("file") is None:
            yield Problem(f"{place}.script", script, "is missing", "a script, or a file")
        return
    first, _, _ = script.lstrip("\ufeff \t\r\n").partition("\n")
    if first.startswith("#!") and (not script.startswith("#!") or not first[2:].strip()):
        yield Problem(
            f"{place}.script", _brief(script), "has a #! line that no kernel follows", _INTERPRETER
        )


def _locator(entry: Mapping[str, Any], place: str, *, unread: bool) -> Iterator[Problem]:
    """``file`` is taken in when a template is resolved.

    :param unread: what is left of it here would be empty text to all others: a probe that passes, a
        file without content.
    """
    file = entry.get("file")
    if file is None:
        return
    url = file.get("url")
    if not url:
        yield Problem(f"{place}.file.url", url, "is missing", "a URL or a path")
    elif entry.get("script"):
        yield Problem(f"{place}.file", url, "stands beside script", "one of them")
    elif unread:
        yield Problem(f"{place}.file", url, "was not read", "the text itself, or file in a template")
    yield from digest(file, f"{place}.file")


def _brief(value: object) -> object:
    return value[:60] if isinstance(value, str) else value


def _file(entry: Mapping[str, Any], place: str) -> Iterator[Problem]:
    path, permissions = entry.get("path"), entry.get("permissions")
    if path is not None and not path.startswith("/"):
        yield Problem(f"{place}.path", path, "is not absolute", "an absolute path in the guest")
    if permissions is not None and not _OCTAL.fullmatch(permissions):
        yield Problem(f"{place}.permissions", permissions, "is not an octal mode", 'octal, such as "644"')
    owner = entry.get("owner")
    if owner is not None and not _OWNER.fullmatch(owner):
        yield Problem(f"{place}.owner", owner, "is not an owner", "USER or USER:GROUP")
