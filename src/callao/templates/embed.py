# SPDX-License-Identifier: GPL-3.0-or-later
"""Embeds the scripts that a template has in separate files, so that an instance needs no other file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callao.errors import TemplateError
from callao.templates.find import TemplateLocation, find_beside
from callao.templates.read import Reader

_FIELD = {"data": "content", "yq": "expression"}
"""By mode of provision, the field that the file's text becomes; ``script`` otherwise."""


def embed(document: dict[str, object], found: TemplateLocation, reader: Reader) -> dict[str, object]:
    """``document`` with each ``provision[].file`` and ``probes[].file`` read, relative to ``found``.

    Entries that are invalid stay unchanged: validation reports them.

    :raises TemplateError: when a file cannot be read, or is set together with an inline text.
    """
    for key in ("provision", "probes"):
        entries = document.get(key)
        if isinstance(entries, list):
            document[key] = [
                _embedded(entry, found, reader, f"{key}[{index}]") if isinstance(entry, Mapping) else entry
                for index, entry in enumerate(entries)
            ]
    return document


def _embedded(
    entry: Mapping[str, Any], found: TemplateLocation, reader: Reader, place: str
) -> dict[str, Any]:
    file = entry.get("file")
    url = file.get("url") if isinstance(file, Mapping) else file
    if isinstance(url, int | float) and not isinstance(url, bool):
        url = str(url)  # a name of digits
    if not isinstance(url, str):
        return dict(entry)
    field = _FIELD.get(str(entry.get("mode", "")), "script")
    if entry.get(field) is not None:
        raise TemplateError(f"{found.location}: {place}: has both {field} and file (allowed: one of them).")
    digest = file.get("digest") if isinstance(file, Mapping) else None
    text = reader.text(find_beside(url, reader.home, found), digest)
    return {**{key: value for key, value in entry.items() if key != "file"}, field: text}
