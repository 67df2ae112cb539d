# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a template is: built in, among the user's own, or a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from callao.errors import TemplateError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*:(?://)?")


@dataclass(frozen=True)
class Found:
    """A template's file, and what to call it."""

    name: str
    path: Path


def builtin_dir() -> Path:
    """The templates we ship: inside the package, or beside the sources of an editable install."""
    inside = Path(__file__).parent / "builtin"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "templates"


def names() -> list[str]:
    """The built-in templates that stand for a box, sorted."""
    return sorted(path.stem for path in builtin_dir().glob("*.yaml"))


def find(reference: str, home: Path, beside: Path | None = None) -> Found:
    """The file that ``reference`` means.

    A name is looked for among the built-in templates, then under ``$LIMA_HOME/_templates``; with
    ``template:`` before it, too. Anything with a slash or ``.yaml`` is a path, from ``beside``.

    :raises TemplateError: when there is none, or for a locator that this version cannot fetch.
    """
    for prefix in ("template://", "template:"):
        if reference.startswith(prefix):
            return _named(reference.removeprefix(prefix), home, reference)
    if reference.startswith("file://"):
        return _file(Path(reference.removeprefix("file://")), reference)
    if _REMOTE.match(reference):
        raise TemplateError(
            f"template: {reference!r} is remote, and this version cannot fetch templates.",
            hint="Download it, and give the file's path.",
        )
    if reference.endswith((".yaml", ".yml")) or reference.startswith((".", "/", "~")):
        path = Path(reference).expanduser()
        return _file(path if path.is_absolute() else (beside or Path.cwd()) / path, reference)
    return _named(reference, home, reference)


def _named(name: str, home: Path, reference: str) -> Found:
    places = (builtin_dir(), home / "_templates")
    if _NAME.fullmatch(name):
        for place in places:
            path = place / f"{name.removesuffix('.yaml')}.yaml"
            if path.is_file():
                return Found(name.removesuffix(".yaml"), path)
    raise TemplateError(
        f"template: {reference!r} is neither built in nor in {places[1]}.",
        hint=f"Built in are: {', '.join(names())}; or give a file's path.",
    )


def _file(path: Path, reference: str) -> Found:
    if not path.is_file():
        raise TemplateError(
            f"template: {reference!r}: there is no file {path}.", hint="Give an existing file's path."
        )
    return Found(str(path), path)
