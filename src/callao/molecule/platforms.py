# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates the platforms of a molecule.yml; an error names the platform.

Molecule's own validation reports only the platform's index and the first mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

_SCHEMA = Path(__file__).parent / "schema" / "platform.json"


def problems(platforms: Sequence[dict[str, Any]]) -> list[str]:
    """One sentence for each mistake, in the order of the platforms."""
    from jsonschema import Draft7Validator

    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    validator = Draft7Validator(schema)
    found: list[str] = []
    seen: set[str] = set()
    for platform in platforms:
        name = str(platform["name"])
        errors = sorted(validator.iter_errors(platform), key=lambda error: list(map(str, error.path)))
        found += [f"platform {name!r}: {said}" for error in errors for said in _said(error, schema)]
        if name in seen:
            found.append(f"platform {name!r}: two platforms of one name (allowed: each name once).")
        seen.add(name)
    return found


def _said(error: Any, schema: dict[str, Any]) -> Iterator[str]:
    if error.validator == "additionalProperties" and not error.path:
        known = list(schema["properties"])
        for key in sorted(set(error.instance) - set(known)):
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            yield f"{key}: no such key ({hint}allowed: {', '.join(known)})."
        return
    yield f"{_place(error.path)}: {error.message}."


def _place(path: Sequence[str | int]) -> str:
    """As in ``mounts[0].location``."""
    words = [f"[{each}]" if isinstance(each, int) else f".{each}" for each in path]
    return "".join(words).removeprefix(".")
