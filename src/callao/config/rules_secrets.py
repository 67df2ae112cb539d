# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation rules of ``secrets``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callao.errors import Problem

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
MOST = 64

Document = Mapping[str, Any]
Problems = Iterator[Problem]


def secrets(filled: Document) -> Problems:
    """Each secret has a name of its own, and one source at most."""
    entries = filled.get("secrets") or []
    if len(entries) > MOST:
        yield Problem("secrets", f"{len(entries)} entries", "are too many", f"at most {MOST}")
    if entries and not filled["user"]["passwordlessSudo"]:
        message = "needs user.passwordlessSudo: the host puts them in by sudo"
        yield Problem("secrets", f"{len(entries)} entries", message, "true, or no secrets")
    if entries and filled["os"] != "Linux":
        yield Problem("secrets", f"{len(entries)} entries", f"are not for os {filled['os']}", "Linux")
    names: set[str] = set()
    for index, entry in enumerate(entries):
        place, name = f"secrets[{index}]", entry.get("name", "")
        if not _NAME.fullmatch(name):
            allowed = "a letter or _, then at most 63 letters, digits, _, . and -"
            yield Problem(f"{place}.name", name, "cannot be a secret's name", allowed)
        if name in names:
            yield Problem(f"{place}.name", name, "is there twice", "a name of its own")
        names.add(name)
        yield from _source(entry, place)


def _source(entry: Document, place: str) -> Problems:
    file, variable = entry.get("file"), entry.get("env")
    if file and variable:
        yield Problem(f"{place}.env", variable, "is a second source beside file", "file or env")
    if file and not file.startswith(("/", "~")):
        yield Problem(f"{place}.file", file, "is not absolute", "an absolute path, or one below ~")
    if variable and not _VARIABLE.fullmatch(variable):
        yield Problem(f"{place}.env", variable, "is not a variable's name", "letters, digits and _")
