# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices on accepted documents: unused keys, deprecated places, fields without effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from callao.config.coercion import coerce

_MOVED_FIELDS = {"cpuType": "vmOpts.qemu.cpuType", "rosetta": "vmOpts.vz.rosetta"}
_WITHOUT_EFFECT = {
    "script": ("system", "user", "boot", "dependency"),
    "content": ("data",),
    "overwrite": ("data",),
    "expression": ("yq",),
    "format": ("yq",),
}
"""Fields of ``provision`` that Lima accepts with a mode that does not use them; and the modes that do."""


def notices(document: Mapping[str, object]) -> tuple[str, ...]:
    """One sentence for each unknown, deprecated or unused field of a document before defaults."""
    shaped, _, unknown = coerce(document)
    found = [
        f"{each.path}: is not a field of lima.yaml, and is left out: {each.allowed}" for each in unknown
    ]
    found += [f"{old}: is deprecated: use {new}." for old, new in _MOVED_FIELDS.items() if shaped.get(old)]
    for index, entry in enumerate(shaped.get("provision") or ()):
        if isinstance(entry, Mapping):
            found += _provision_notices(entry, f"provision[{index}]")
    return tuple(found)


def _provision_notices(entry: Mapping[str, Any], place: str) -> Iterator[str]:
    mode, script = entry.get("mode", "system"), entry.get("script")
    for field, modes in _WITHOUT_EFFECT.items():
        if entry.get(field) and mode not in modes:
            yield f"{place}.{field}: has no effect in mode {mode}."
    if not isinstance(script, str):
        return
    first, _, _ = script.lstrip("\ufeff \t\r\n").partition("\n")
    if first.startswith("#!") and (not script.startswith("#!") or not first[2:].strip()):
        yield f"{place}.script: its #! line is not the first, or names no program: the kernel ignores it."
    if "LIMA_CIDATA" in script:
        yield f"{place}.script: names LIMA_CIDATA variables, which are not meant for scripts and may change."
