# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation rules of scripts: ``provision`` and ``probes``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from callao.config.rules_files import digest
from callao.errors import Problem

_SCRIPTS = ("system", "user", "boot", "dependency")
_FILES = ("data", "yq")
_NEEDED = {"data": ("path",), "yq": ("path", "expression"), "ansible": ("playbook",)}
_MODES = {
    "skipDefaultDependencyResolution": ("dependency",),
    "path": _FILES,
    "content": _FILES,
    "owner": _FILES,
    "permissions": _FILES,
    "overwrite": _FILES,
    "format": _FILES,
    "playbook": ("ansible",),
}
"""The modes with which Lima accepts a field, whether it uses it or not."""

_OCTAL = re.compile(r"0*[0-7]{1,4}")
_OWNER = re.compile(r"[A-Za-z0-9_.{}$-]+(?::[A-Za-z0-9_.{}$-]+)?")


def provision(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Each entry has the fields that its mode needs, and none that belongs to other modes only."""
    given = filled["_given"].get("provision") or []
    for index, (entry, given_entry) in enumerate(zip(filled["provision"], given, strict=True)):
        place, mode = f"provision[{index}]", entry["mode"]
        if mode in _SCRIPTS and not entry.get("script") and entry.get("file") is None:
            yield Problem(f"{place}.script", entry.get("script"), "is missing", "a script, or a file")
        for field in _NEEDED.get(mode, ()):
            if (
                not entry.get(field)
                and field != "expression"
                and (entry.get("file") is None or field == "path")
            ):
                yield Problem(f"{place}.{field}", None, f"is missing for mode {mode}", f"a {field}")
        if mode == "yq" and entry.get("expression") is None and entry.get("file") is None:
            yield Problem(f"{place}.expression", None, "is missing for mode yq", "an expression")
        for field, modes in _MODES.items():
            if field in given_entry and mode not in modes:
                allowed = f"mode {' or '.join(modes)}"
                yield Problem(
                    f"{place}.{field}",
                    _shortened(given_entry[field]),
                    f"has no place in mode {mode}",
                    allowed,
                )
        if mode == "ansible" and entry.get("playbook"):
            yield from _playbook(entry, place)
        yield from _locator(entry, place, unread=mode not in _SCRIPTS)
        yield from _file(entry, place)


def _playbook(entry: Mapping[str, Any], place: str) -> Iterator[Problem]:
    if entry.get("script"):
        yield Problem(
            f"{place}.script", _shortened(entry["script"]), "cannot be set with playbook", "one of them"
        )
    if not os.path.exists(entry["playbook"]):  # noqa: PTH110 - Path.exists raises for a name that is too long
        yield Problem(f"{place}.playbook", entry["playbook"], "is not there", "an existing file's path")


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
                f"{place}.script", _shortened(script), "has no interpreter", "a script that starts with #!"
            )


def _locator(entry: Mapping[str, Any], place: str, *, unread: bool) -> Iterator[Problem]:
    """``file`` is replaced by the file's text when a template is resolved.

    :param unread: a ``file`` that is still here is a problem, because the script or content would be empty.
    """
    file = entry.get("file")
    if file is None:
        return
    url = file.get("url")
    if not url:
        yield Problem(f"{place}.file.url", url, "is missing", "a URL or a path")
    elif entry.get("script"):
        yield Problem(f"{place}.file", url, "cannot be set with script", "one of them")
    elif unread:
        yield Problem(f"{place}.file", url, "was not read", "the text itself, or file in a template")
    yield from digest(file, f"{place}.file")


def _shortened(value: object) -> object:
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
