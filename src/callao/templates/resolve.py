# SPDX-License-Identifier: GPL-3.0-or-later
"""A template with its ``base`` templates taken in, and the user's defaults laid around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callao.config import load, merge
from callao.errors import TemplateError
from callao.templates.find import Found, find

_DEEPEST = 10
"""Bases of bases; more is taken for a mistake."""


@dataclass(frozen=True)
class Resolved:
    """A template without ``base``: complete, not yet filled with defaults."""

    name: str
    source: str
    document: dict[str, object]


def resolve(reference: str, home: Path) -> Resolved:
    """Find, read and complete a template.

    :raises TemplateError: when it, or one of its bases, cannot be found or read, or they go in circles.
    :raises ConfigError: when one is not YAML.
    """
    found = find(reference, home)
    return Resolved(found.name, str(found.path), _read(found, home, ()))


def layered(document: Mapping[str, object], home: Path) -> dict[str, object]:
    """``_config/override.yaml`` over ``document`` over ``_config/default.yaml``, where they exist.

    ``_config/base.yaml`` is a base of every template: less specific than the template itself.
    """
    over, base, default = (_optional(home, name) for name in ("override", "base", "default"))
    return merge([over, document, base, default])


def _optional(home: Path, name: str) -> dict[str, object]:
    path = home / "_config" / f"{name}.yaml"
    return _read(Found(name, path), home, ()) if path.is_file() else {}


def _read(found: Found, home: Path, above: tuple[Path, ...]) -> dict[str, object]:
    path = found.path.resolve()
    if path in above:
        circle = " -> ".join(str(each) for each in (*above, path))
        raise TemplateError(f"base: {circle} goes in a circle.")
    if len(above) >= _DEEPEST:
        raise TemplateError(f"base: {path} is more than {_DEEPEST} bases deep.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"template {path} cannot be read: {error}.") from error
    document = load(text, str(path))
    bases = document.pop("base", None)
    layers = [document]
    for locator in _locators(bases, path):
        layers.append(_read(find(locator, home, beside=path.parent), home, (*above, path)))
    return merge(layers)


def _locators(bases: object, path: Path) -> list[str]:
    """``base`` is a locator, or a list of locators and {url, digest}; a local file needs no digest."""
    if bases is None:
        return []
    entries = bases if isinstance(bases, list) else [bases]
    locators = [entry.get("url") if isinstance(entry, Mapping) else entry for entry in entries]
    for locator in locators:
        if not isinstance(locator, str) or not locator:
            raise TemplateError(
                f"{path}: base: {locator!r} is not a locator (allowed: a name, a path, or {{url: …}})."
            )
    return [str(locator) for locator in locators]
