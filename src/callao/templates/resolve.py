# SPDX-License-Identifier: GPL-3.0-or-later
"""A template with its ``base`` templates taken in, and the user's defaults laid around it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from callao.access import Access
from callao.config import dump, load, merge, with_environment
from callao.errors import TemplateError
from callao.events import Reporter, silent
from callao.host import native_arch
from callao.templates.embed import embed
from callao.templates.find import Found, find
from callao.templates.imagefile import image_document
from callao.templates.read import Reader, Source

_DEEPEST = 10
"""Bases of bases; more is taken for a mistake."""


@dataclass(frozen=True)
class Resolved:
    """A template without ``base`` and ``file``: complete, not yet filled with defaults.

    ``sources`` are the texts that went into it, the template's own first; ``text`` is that one, as it was
    written.
    """

    name: str
    source: str
    document: dict[str, object]
    sources: tuple[Source, ...] = ()
    text: str = ""


def resolve(
    reference: str, home: Path, *, access: Access = Access.ONLINE, report: Reporter = silent
) -> Resolved:
    """Find, read and complete a template.

    :raises TemplateError: when it, or one of its bases, cannot be found or read, or they go in circles.
    :raises ConfigError: when one is not YAML.
    """
    found = find(reference, home)
    reader = Reader(home, access, report)
    text, document, there = _loaded(found, None, reader)
    document = _complete(document, there, reader, (_place(found),))
    return Resolved(found.name, found.location, document, tuple(reader.sources), text)


def resolve_text(
    text: str, source: str, home: Path, *, access: Access = Access.ONLINE, report: Reporter = silent
) -> Resolved:
    """The same for a text that came by another way, such as standard input."""
    reader = Reader(home, access, report)
    document = _complete(load(text, source), Found(source, Path(source)), reader, ())
    return Resolved(source, source, document, text=text)


def layered(
    document: Mapping[str, object], home: Path, *, access: Access = Access.ONLINE
) -> dict[str, object]:
    """``_config/override.yaml`` over ``document`` over ``_config/default.yaml``, where they exist.

    ``_config/base.yaml`` is a base of every template: less specific than the template itself. Then
    variables of the environment are replaced where lima.yaml may have them.
    """
    over, base, default = (_optional(home, name, access) for name in ("override", "base", "default"))
    return with_environment(merge([over, document, base, default]), os.environ)


def _optional(home: Path, name: str, access: Access) -> dict[str, object]:
    path = home / "_config" / f"{name}.yaml"
    return _read(Found(name, path), None, Reader(home, access), ()) if path.is_file() else {}


def _read(found: Found, digest: str | None, reader: Reader, above: tuple[str, ...]) -> dict[str, object]:
    place = _place(found)
    if place in above:
        raise TemplateError(f"base: {' -> '.join((*above, place))} goes in a circle.")
    if len(above) >= _DEEPEST:
        raise TemplateError(f"base: {place} is more than {_DEEPEST} bases deep.")
    _, document, there = _loaded(found, digest, reader)
    return _complete(document, there, reader, (*above, place))


def _loaded(found: Found, digest: str | None, reader: Reader) -> tuple[str, dict[str, object], Found]:
    """The text, what it says, and where it is in the end."""
    if found.image:
        document = image_document(found.image, native_arch())
        return dump(document), document, found
    text, there = reader.read(found, digest)
    return text, load(text, found.location), there


def _place(found: Found) -> str:
    return str(found.path.resolve()) if found.path else found.location


def _complete(
    document: dict[str, object], found: Found, reader: Reader, above: tuple[str, ...]
) -> dict[str, object]:
    bases = document.pop("base", None)
    layers = [embed(document, found, reader)]
    seen: set[str] = set()
    for locator, digest in _locators(bases, found):
        base = find(locator, reader.home, beside=found)
        if _place(base) in seen:
            raise TemplateError(f"{found.location}: base: {locator!r} stands there twice (allowed: once).")
        seen.add(_place(base))
        layers.append(_read(base, digest, reader, above))
    return merge(layers)


def _locators(bases: object, found: Found) -> Iterator[tuple[str, str | None]]:
    """``base`` is a locator, or a list of locators and {url, digest}."""
    if isinstance(bases, Mapping):
        raise TemplateError(
            f"{found.location}: base: a map stands alone (allowed: a list of {{url, digest}})."
        )
    for entry in bases if isinstance(bases, list) else [] if bases is None else [bases]:
        locator = entry.get("url") if isinstance(entry, Mapping) else entry
        digest = entry.get("digest") if isinstance(entry, Mapping) else None
        if not isinstance(locator, str) or not locator:
            raise TemplateError(
                f"{found.location}: base: {locator!r} is not a locator "
                "(allowed: a name, a path, or {url: …, digest: …})."
            )
        yield locator, str(digest) if digest is not None else None
