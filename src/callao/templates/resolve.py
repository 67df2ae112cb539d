# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves a template: merges its ``base`` templates and the user's defaults."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from callao.config import (
    coerce,
    dump,
    has_more_documents,
    load,
    merge,
    merge_override_files,
    merge_without_combining,
    unused_parameters,
    with_environment,
)
from callao.errors import ConfigError, TemplateError
from callao.events import Reporter, silent
from callao.host import native_arch
from callao.offline import NetworkAccess
from callao.templates.embed import embed
from callao.templates.find import TemplateLocation, find
from callao.templates.imagefile import image_document
from callao.templates.read import Reader, Source

_MAX_DEPTH = 10
"""Levels of base templates; more are an error."""


@dataclass(frozen=True)
class Resolved:
    """A template whose ``base`` and ``file`` are resolved, before defaults.

    ``sources`` are its source texts, the template's own first; ``text`` is the template's own text;
    ``notices`` name ignored parts; ``texts`` are the texts of the template and its bases.
    """

    name: str
    source: str
    document: dict[str, object]
    sources: tuple[Source, ...] = ()
    text: str = ""
    notices: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


class Bases(enum.Enum):
    """Which base templates a template is merged with."""

    OWN = enum.auto()
    """The base templates that it names."""
    WITH_USERS = enum.auto()
    """``_config/base.yaml`` before them, if it exists: the template as this user's instances get it."""


def resolve(
    reference: str,
    home: Path,
    *,
    access: NetworkAccess = NetworkAccess.ONLINE,
    report: Reporter = silent,
    bases: Bases = Bases.WITH_USERS,
) -> Resolved:
    """Find and read a template, and merge its base templates.

    :raises TemplateError: when it or one of its bases cannot be found or read, or the bases form a cycle.
    :raises ConfigError: when one of them is not YAML.
    """
    found = find(reference, home)
    reader = Reader(home, access, report)
    text, document, there = _load(found, None, reader)
    users = _base_yaml(home, access, report) if bases is Bases.WITH_USERS else None
    document = _complete(document, there, reader, (_source_place(found),), users)
    return Resolved(
        found.name, found.location, merge([document]), tuple(reader.sources), text, tuple(reader.notices),
        tuple(reader.texts),
    )  # fmt: skip


def resolve_text(
    text: str,
    source: str,
    home: Path,
    *,
    access: NetworkAccess = NetworkAccess.ONLINE,
    report: Reporter = silent,
) -> Resolved:
    """Resolve a text that has no file, such as one from standard input."""
    reader = Reader(home, access, report)
    users = _base_yaml(home, access, report)
    document = _complete(
        _parse(text, source, reader), TemplateLocation(source, Path(source)), reader, (), users
    )
    return Resolved(source, source, merge([document]), text=text, notices=tuple(reader.notices))


def with_override_files(
    document: Mapping[str, object], home: Path, *, access: NetworkAccess = NetworkAccess.ONLINE
) -> dict[str, object]:
    """``document`` merged with ``_config/override.yaml`` and ``_config/default.yaml``, if they exist.

    Then environment variables are replaced in the fields that may contain them.

    :param document: a resolved template.
    :raises ConfigError: when one of the two files is invalid, or a parameter of the template is not used.
    """
    override, default = (_override_file(home, name, access) for name in ("override", "default"))
    problems = unused_parameters(document.get("param"), (override, document, default))
    if problems:
        raise ConfigError(problems)
    return with_environment(merge_override_files(document, override=override, default=default), os.environ)


def _override_file(home: Path, name: str, access: NetworkAccess) -> dict[str, object]:
    """One of the user's two files, which must not have base templates."""
    path = home / "_config" / f"{name}.yaml"
    if not path.is_file():
        return {}
    found, reader = TemplateLocation(name, path), Reader(home, access)
    text = reader.text(found)
    document = load(text, str(path))
    document.pop("base", None)
    _, problems, _ = coerce(document)
    if problems:
        from callao.config import locate_problems

        raise ConfigError(locate_problems(problems, text), source=str(path))
    return embed(document, found, reader)


def _base_yaml(home: Path, access: NetworkAccess, report: Reporter) -> dict[str, object] | None:
    """``_config/base.yaml``, which is not part of a template, so that lock files do not contain it."""
    path = home / "_config" / "base.yaml"
    return (
        _read(TemplateLocation("base", path), None, Reader(home, access, report), ())
        if path.is_file()
        else None
    )


def _read(
    found: TemplateLocation, digest: str | None, reader: Reader, above: tuple[str, ...]
) -> dict[str, object]:
    place = _source_place(found)
    if place in above:
        raise TemplateError(f"base: {' -> '.join((*above, place))} forms a cycle.")
    if len(above) >= _MAX_DEPTH:
        raise TemplateError(f"base: {place} is more than {_MAX_DEPTH} bases deep.")
    _, document, there = _load(found, digest, reader)
    return _complete(document, there, reader, (*above, place))


def _load(
    found: TemplateLocation, digest: str | None, reader: Reader
) -> tuple[str, dict[str, object], TemplateLocation]:
    """The text, its document, and its location after redirects."""
    if found.image:
        document = image_document(found.image, native_arch())
        reader.texts.append(dump(document))
        return reader.texts[-1], document, found
    text, there = reader.read(found, digest)
    reader.texts.append(text)
    document = _parse(text, found.location, reader)
    if found.url:
        _refuse_secret_sources(document, found)
    return text, document, there


def _refuse_secret_sources(document: Mapping[str, object], found: TemplateLocation) -> None:
    """:raises TemplateError: when a remote template would have the guest read a secret of this machine."""
    entries = document.get("secrets")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, Mapping) and (entry.get("file") or entry.get("env")):
            raise TemplateError(
                f"template: {found.location}: secrets[{index}]: a remote template cannot name a file or a "
                "variable of this machine (allowed: the name of the secret alone).",
                hint="Name the source yourself: --secret NAME=FILE, or secrets of the task.",
            )


def _parse(text: str, location: str, reader: Reader) -> dict[str, object]:
    """The first document of the text; a notice says when others are ignored."""
    document = load(text, location)
    if has_more_documents(text):
        reader.notices.append(
            f"{location}: only the first YAML document is read; the others have no effect."
        )
    return document


def _source_place(found: TemplateLocation) -> str:
    return str(found.path.resolve()) if found.path else found.location


def _complete(
    document: dict[str, object],
    found: TemplateLocation,
    reader: Reader,
    above: tuple[str, ...],
    users: dict[str, object] | None = None,
) -> dict[str, object]:
    """The document merged with its base templates; list entries are combined after all are merged.

    :param users: the user's base, which comes before the template's own.
    """
    bases = document.pop("base", None)
    layers = [embed(document, found, reader), *([] if users is None else [users])]
    seen: set[str] = set()
    for locator, digest in _locators(bases, found):
        base = find(locator, reader.home, beside=found)
        if _source_place(base) in seen:
            raise TemplateError(f"{found.location}: base: {locator!r} is listed twice (allowed: once).")
        seen.add(_source_place(base))
        layers.append(_read(base, digest, reader, above))
    return merge_without_combining(layers)


def _locators(bases: object, found: TemplateLocation) -> Iterator[tuple[str, str | None]]:
    """``base`` is a locator, or a list of locators and {url, digest}."""
    if isinstance(bases, Mapping):
        raise TemplateError(
            f"{found.location}: base: a map is not allowed alone (allowed: a list of {{url, digest}})."
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
