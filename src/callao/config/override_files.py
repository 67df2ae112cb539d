# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges the user's ``override.yaml`` and ``default.yaml`` with a template, by Lima's rules.

These rules differ from those of ``base`` (:mod:`callao.config.merge`). A value in override.yaml wins over
the template's, and the template's over the one in default.yaml. Lists are joined, in an order that depends
on the field. The options of a driver are replaced as a whole. Some fields are taken from the template only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Document = dict[str, Any]
Path = tuple[str, ...]
LayerValues = tuple[Any, Any, Any]
"""The values of override.yaml, the template and default.yaml at one path."""

_TEMPLATE_ONLY = frozenset({"base", "minimumLimaVersion", "cpuType", "message", "rosetta"})


def merge_override_files(
    template: Mapping[str, Any], *, override: Mapping[str, Any], default: Mapping[str, Any]
) -> Document:
    """The merged document; the three inputs are not changed.

    Entries of ``mounts`` and ``networks`` are only joined: entries for the same mount point or interface are
    combined later, after their templates are expanded and their defaults filled in.
    """
    return _merge_maps((), (override, template, default))


def _merge_maps(path: Path, values: LayerValues) -> Document:
    override, template, default = (each if isinstance(each, Mapping) else {} for each in values)
    merged: Document = {}
    for key in {**template, **default, **override}:
        if not path and key in _TEMPLATE_ONLY:
            if key in template:
                merged[key] = template[key]
        else:
            merged[key] = _merge_values(
                (*path, key), (override.get(key), template.get(key), default.get(key))
            )
    return merged


def _merge_values(path: Path, values: LayerValues) -> Any:
    present = [each for each in values if each is not None]
    rule = _RULES.get(path)
    if rule is not None and all(isinstance(each, rule[0]) for each in present):
        return rule[1](values) if present else None
    if present and all(isinstance(each, Mapping) for each in present):
        return _merge_maps(path, values)
    return present[0] if present else None


def _join_override_first(values: LayerValues) -> list[Any]:
    return [entry for each in values for entry in each or ()]


def _join_default_first(values: LayerValues) -> list[Any]:
    return [entry for each in reversed(values) for entry in each or ()]


def _join_unique(values: LayerValues) -> list[Any]:
    entries = _join_default_first(values)
    return [entry for index, entry in enumerate(entries) if entry not in entries[:index]]


def _first_nonempty(values: LayerValues) -> list[Any]:
    return next((each for each in values if each), [])


def _merge_keys(values: LayerValues) -> Document:
    override, template, default = (each or {} for each in values)
    return {**default, **template, **override}


_RULES: dict[Path, tuple[type, Callable[[LayerValues], Any]]] = {
    ("images",): (list, _join_override_first),
    ("additionalDisks",): (list, _join_override_first),
    ("firmware", "images"): (list, _join_override_first),
    ("secrets",): (list, _join_override_first),
    ("provision",): (list, _join_override_first),
    ("probes",): (list, _join_override_first),
    ("portForwards",): (list, _join_override_first),
    ("copyToHost",): (list, _join_override_first),
    ("mountTypesUnsupported",): (list, _join_override_first),
    ("containerd", "archives"): (list, _join_override_first),
    ("mounts",): (list, _join_default_first),
    ("networks",): (list, _join_default_first),
    ("caCerts", "files"): (list, _join_unique),
    ("caCerts", "certs"): (list, _join_unique),
    ("dns",): (list, _first_nonempty),
    ("env",): (Mapping, _merge_keys),
    ("param",): (Mapping, _merge_keys),
    ("hostResolver", "hosts"): (Mapping, _merge_keys),
    ("vmOpts",): (Mapping, _merge_keys),
    ("osOpts",): (Mapping, _merge_keys),
}
"""By field, the type that the rule applies to, and the rule. Scalars need no rule."""
