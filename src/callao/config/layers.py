# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges the user's ``override.yaml`` and ``default.yaml`` with a template, by Lima's rules.

They are other rules than those of ``base``. A value of override.yaml wins over the template's, and that
over default.yaml's; lists are joined, in an order of their own where later entries count for more; a
driver's options are replaced as a whole; and some fields are the template's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Document = dict[str, Any]
Path = tuple[str, ...]
Three = tuple[Any, Any, Any]
"""The values of override.yaml, the template and default.yaml at one path."""

_TEMPLATES_OWN = frozenset({"base", "minimumLimaVersion", "cpuType", "message", "rosetta"})


def lay(template: Mapping[str, Any], *, override: Mapping[str, Any], default: Mapping[str, Any]) -> Document:
    """One document from the three, which stay as they are.

    ``mounts`` and ``networks`` are joined only: what they combine by is known when their templates
    are expanded and their defaults filled in.
    """
    return _maps((), (override, template, default))


def _maps(path: Path, three: Three) -> Document:
    override, template, default = (each if isinstance(each, Mapping) else {} for each in three)
    laid: Document = {}
    for key in {**template, **default, **override}:
        if not path and key in _TEMPLATES_OWN:
            if key in template:
                laid[key] = template[key]
        else:
            laid[key] = _values((*path, key), (override.get(key), template.get(key), default.get(key)))
    return laid


def _values(path: Path, three: Three) -> Any:
    present = [each for each in three if each is not None]
    rule = _RULES.get(path)
    if rule is not None and all(isinstance(each, rule[0]) for each in present):
        return rule[1](three) if present else None
    if present and all(isinstance(each, Mapping) for each in present):
        return _maps(path, three)
    return present[0] if present else None


def _override_first(three: Three) -> list[Any]:
    return [entry for each in three for entry in each or ()]


def _default_first(three: Three) -> list[Any]:
    return [entry for each in reversed(three) for entry in each or ()]


def _unique(three: Three) -> list[Any]:
    entries = _default_first(three)
    return [entry for index, entry in enumerate(entries) if entry not in entries[:index]]


def _whole(three: Three) -> list[Any]:
    return next((each for each in three if each), [])


def _key_by_key(three: Three) -> Document:
    override, template, default = (each or {} for each in three)
    return {**default, **template, **override}


_RULES: dict[Path, tuple[type, Callable[[Three], Any]]] = {
    ("images",): (list, _override_first),
    ("additionalDisks",): (list, _override_first),
    ("firmware", "images"): (list, _override_first),
    ("provision",): (list, _override_first),
    ("probes",): (list, _override_first),
    ("portForwards",): (list, _override_first),
    ("copyToHost",): (list, _override_first),
    ("mountTypesUnsupported",): (list, _override_first),
    ("containerd", "archives"): (list, _override_first),
    ("mounts",): (list, _default_first),
    ("networks",): (list, _default_first),
    ("caCerts", "files"): (list, _unique),
    ("caCerts", "certs"): (list, _unique),
    ("dns",): (list, _whole),
    ("env",): (Mapping, _key_by_key),
    ("param",): (Mapping, _key_by_key),
    ("hostResolver", "hosts"): (Mapping, _key_by_key),
    ("vmOpts",): (Mapping, _key_by_key),
    ("osOpts",): (Mapping, _key_by_key),
}
"""By place, the type that the rule is for, and the rule; scalars need none."""
