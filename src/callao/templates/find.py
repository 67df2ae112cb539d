# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a template is: built in, among the user's own, a file, or on a server."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin

from callao.errors import TemplateError
from callao.templates.locator import name_of_url, parse_github

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")
_ALLOWED = "a built-in name, a path, https://, http://, file:// or github:OWNER/REPO[/PATH][@REF]"


@dataclass(frozen=True)
class Found:
    """A template's place: exactly one of ``path`` and ``url`` is set."""

    name: str
    path: Path | None = None
    url: str = ""

    @property
    def location(self) -> str:
        """For people, and for telling one place from another."""
        return self.url or str(self.path)


def builtin_dir() -> Path:
    """The templates we ship: inside the package, or beside the sources of an editable install."""
    inside = Path(__file__).parent / "builtin"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "templates"


def names() -> list[str]:
    """The built-in templates that stand for a box, sorted; those in a folder come as ``folder/name``."""
    return _names_below(builtin_dir())


def user_names(home: Path) -> list[str]:
    """The same under ``$LIMA_HOME/_templates`` and each folder of ``LIMA_TEMPLATES_PATH``."""
    return sorted({name for place in _user_places(home) for name in _names_below(place)})


def _names_below(folder: Path) -> list[str]:
    found = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml"))
    return sorted(path.as_posix() for path in found if not any(part[0] in "._" for part in path.parts))


def _user_places(home: Path) -> list[Path]:
    listed = os.environ.get("LIMA_TEMPLATES_PATH", "")
    if listed:
        return [Path(each).expanduser() for each in listed.split(os.pathsep) if each]
    return [home / "_templates"]


def bare_name(reference: str) -> str | None:
    """What stands behind ``template:``; None where that doesn't."""
    for prefix in ("template://", "template:"):
        if reference.startswith(prefix):
            return reference.removeprefix(prefix)
    return None


def is_path(reference: str) -> bool:
    """Whether ``reference``, which has no scheme, is a file's path, and not a name."""
    return reference.endswith((".yaml", ".yml")) or reference.startswith((".", "/", "~"))


def find(reference: str, home: Path, beside: Found | None = None) -> Found:
    """The place that ``reference`` means.

    A name is looked for among the user's templates, then among the built-in ones, with or without
    ``template:`` before it. Anything with ``.yaml`` at its end, or with ``.``, ``/`` or ``~`` at its
    beginning, is a path, relative to ``beside``.

    :raises TemplateError: when there is none, or it is no locator.
    """
    name = bare_name(reference)
    if name is not None:
        return _named(name, home, reference)
    remote = beside is not None and beside.url != ""
    if reference.startswith("file://"):
        return _file(Path(unquote(reference.removeprefix("file://"))), reference, remote)
    if reference.startswith("github:"):
        place = parse_github(reference)
        return Found(name_of_url(place.url), url=place.url)
    if reference.startswith(("https://", "http://")):
        return Found(name_of_url(reference), url=reference)
    if _SCHEME.match(reference):
        raise TemplateError(f"template: {reference!r} is not known (allowed: {_ALLOWED}).")
    if is_path(reference):
        return find_beside(reference, beside)
    return _named(reference, home, reference)


def find_beside(reference: str, beside: Found | None) -> Found:
    """A file by its path or URL, relative to the one that names it.

    :raises TemplateError: when there is none, or when a remote template names a file of this machine.
    """
    if reference.startswith(("https://", "http://")):
        return Found(name_of_url(reference), url=reference)
    remote = beside is not None and beside.url != ""
    path = Path(reference).expanduser()
    if remote and not path.is_absolute():
        assert beside is not None
        return Found(name_of_url(reference), url=urljoin(beside.url, reference))
    folder = beside.path.parent if beside is not None and beside.path is not None else Path.cwd()
    return _file(path if path.is_absolute() else folder / path, reference, remote)


def _named(name: str, home: Path, reference: str) -> Found:
    places = [*_user_places(home), builtin_dir()]
    if _NAME.fullmatch(name):
        for place in places:
            path = place / f"{name.removesuffix('.yaml')}.yaml"
            if path.is_file():
                return Found(name.removesuffix(".yaml"), path)
    raise TemplateError(
        f"template: {reference!r} is neither built in nor in {places[0]}.",
        hint=f"Built in are: {', '.join(names())}; or give a file's path.",
    )


def _file(path: Path, reference: str, remote: bool) -> Found:
    if remote:
        raise TemplateError(
            f"template: {reference!r}: a remote template cannot name a file of this machine.",
            hint="Download the template and use its path.",
        )
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        raise TemplateError(
            f"template: {reference!r}: there is no file {path}.", hint="Give an existing file's path."
        )
    return Found(str(path), path)
