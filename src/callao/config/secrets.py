# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks secret values of a configuration in a diff."""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
"""Ansible's own replacement for such a value."""

_NAME = re.compile(r"passw|secret|token|credential|api_?key|private_?key", re.IGNORECASE)
"""Names of variables that hold secrets."""

_READ_BY_OTHERS = 0o077


def masked(document: Mapping[str, object]) -> dict[str, object]:
    """The document with secrets masked, for a diff.

    Masks values of ``env`` and ``param`` whose names suggest a secret, and the content of ``provision``
    entries of mode ``data`` whose ``permissions`` allow access by the owner only.
    """
    found = dict(document)
    for field in ("env", "param"):
        values = found.get(field)
        if isinstance(values, Mapping):
            found[field] = {key: MASK if _NAME.search(str(key)) else value for key, value in values.items()}
    provision = found.get("provision")
    if isinstance(provision, list):
        found["provision"] = [_entry(each) if isinstance(each, Mapping) else each for each in provision]
    return found


def _entry(entry: Mapping[str, object]) -> dict[str, object]:
    private = entry.get("mode") == "data" and _is_private(entry.get("permissions"))
    return {**entry, "content": MASK} if private and entry.get("content") else dict(entry)


def _is_private(permissions: object) -> bool:
    try:
        return not int(str(permissions), 8) & _READ_BY_OTHERS
    except ValueError:
        return False
