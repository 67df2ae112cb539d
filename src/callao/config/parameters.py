# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds unused parameters: a misspelt name would be ignored silently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from callao.errors import ExpressionError, Problem

_FIELDS = {
    "provision": ("script", "content", "expression", "owner", "path", "permissions", "playbook"),
    "probes": ("script",),
    "copyToHost": ("guest", "host"),
    "portForwards": ("guestSocket", "hostSocket"),
    "mounts": ("location", "mountPoint"),
}
"""The fields in which a use of a parameter counts, as in Lima."""

_USED_BY_ENGINE = frozenset({"internal_netplanOptional"})
"""Parameters that the engine itself uses, for the guest's network configuration."""


def unused_parameters(parameters: object, documents: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """A problem for each parameter that no field of ``documents`` (before expansion) uses."""
    if not isinstance(parameters, Mapping) or not parameters:
        return []
    texts = [text for document in documents for text in _texts(document)]
    return [
        Problem(f"param.{key}", value, "is used nowhere", f"used as PARAM_{key} or {{{{.Param.{key}}}}}")
        for key, value in parameters.items()
        if key not in _USED_BY_ENGINE and not any(_uses(text, str(key)) for text in texts)
    ]


def _texts(document: Mapping[str, Any]) -> Iterator[str]:
    for key, fields in _FIELDS.items():
        entries = document.get(key)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping):
                yield from (entry[field] for field in fields if isinstance(entry.get(field), str))


def _uses(text: str, key: str) -> bool:
    if key not in text:
        return False
    if re.search(rf"\bPARAM_{re.escape(key)}\b", text, re.ASCII):
        return True
    from callao.gotemplate import referenced_fields

    try:
        return key in referenced_fields(text, "Param")
    except ExpressionError:
        # An invalid template stays unchanged; a use in it still counts.
        return re.search(r"\{\{[^}]*\.Param\." + re.escape(key), text) is not None
