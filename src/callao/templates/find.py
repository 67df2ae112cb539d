# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds a template: built in, the user's own, a file, an image, or a URL."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

from callao.errors import TemplateError
from callao.host import expand_user, native_arch
from callao.templates.github import GitHub, parse_github
from callao.templates.imagefile import image_name, is_image
from callao.templates.names import name_of_path, name_of_url
from callao.templates.url_plugins import translate_locator

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_ALLOWED = (
    "a built-in name, template:NAME, a path, an image's path or URL, https://, http://, file:// or "
    "github:OWNER/REPO[/PATH][@REF]"
)


@dataclass(frozen=True)
class TemplateLocation:
    """The location of a template: exactly one of ``path``, ``url`` and ``image`` is set.

    :param name: the default name of an instance that is made from it.
    :param named: what stood behind ``template:``: what is relative to it is found in the same way.
    :param github: where ``url`` comes from.
    :param image: an image's location, which stands for a template.
    """

    name: str
    path: Path | None = None
    url: str = ""
    named: str = ""
    github: GitHub | None = None
    image: str = ""

    @property
    def location(self) -> str:
        """The location as text, for messages and comparisons."""
        return self.image or self.url or str(self.path)


def builtin_dir() -> Path:
    """The folder of the built-in templates: in the package, or in the source tree of an editable install."""
    inside = Path(__file__).parent / "builtin"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "templates"


def builtin_names() -> list[str]:
    """The names of the built-in templates of instances, sorted; in a subfolder, ``folder/name``."""
    return _names_below(builtin_dir())


def all_names(home: Path) -> list[str]:
    """All templates that a name alone finds, sorted."""
    return sorted({*builtin_names(), *user_names(home)})


def user_names(home: Path) -> list[str]:
    """The names of templates in ``$LIMA_HOME/_templates`` and in the folders of ``LIMA_TEMPLATES_PATH``."""
    return sorted({name for place in _user_folders(home) for name in _names_below(place)})


def _names_below(folder: Path) -> list[str]:
    found = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml"))
    return sorted(path.as_posix() for path in found if not any(part[0] in "._" for part in path.parts))


def _user_folders(home: Path) -> list[Path]:
    listed = os.environ.get("LIMA_TEMPLATES_PATH", "")
    if listed:
        return [expand_user(each) for each in listed.split(os.pathsep) if each]
    return [home / "_templates"]


def scheme_of(reference: str) -> str:
    """The scheme in lower case; empty for a path or a name. A single letter is a Windows drive, no
    scheme."""
    match = _SCHEME.match(reference)
    return match[1].lower() if match else ""


def template_name(reference: str) -> str | None:
    """The name after ``template:``, without query and fragment; None for other references."""
    if scheme_of(reference) != "template":
        return None
    name = reference.partition(":")[2].partition("#")[0].partition("?")[0]
    if not name.strip("/") or ".." in name or (name.endswith("/") and not name.startswith("/")):
        return name  # of no template
    return posixpath.normpath(name.lstrip("/"))


def is_path(reference: str) -> bool:
    """Whether ``reference``, which has no scheme, is a file's path, and not a name."""
    return reference.endswith((".yaml", ".yml")) or reference.startswith((".", "/", "~"))


def find(reference: str, home: Path, beside: TemplateLocation | None = None) -> TemplateLocation:
    """The location of the template ``reference``.

    A name, with or without ``template:``, is looked up in the user's templates, then in the built-in ones. A
    reference that ends in ``.yaml``, or begins with ``.``, ``/`` or ``~``, is a path, relative to the
    template ``beside``, if given; then any name of a file in that template's folder is a path, too.

    :raises TemplateError: when there is no such template, or the reference is invalid.
    """
    reference = translate_locator(reference)
    if scheme_of(reference) == "github":
        place = parse_github(reference)
        return _image(place.url, None) if is_image(place.path) else github_location(place)
    if is_image(reference):
        return _image(reference, beside)
    found = _by_scheme(reference, home, beside)
    if found is not None:
        return found
    if beside is None:
        if is_path(reference) or ("/" in reference and _is_file(Path(reference))):
            return _file(expand_user(reference), reference)
        return _named(reference, home, reference)
    if not is_path(reference) and not _is_beside(reference, beside):
        try:
            return _named(reference, home, reference)
        except TemplateError:
            if not beside.url and not beside.named:
                raise
    return _relative(reference, home, beside)


def find_beside(reference: str, home: Path, beside: TemplateLocation) -> TemplateLocation:
    """The location of a script's file, relative to the template that references it.

    :raises TemplateError: when there is none, or when a remote template names a file of this machine.
    """
    reference = translate_locator(reference)
    return _by_scheme(reference, home, beside) or _relative(reference, home, beside)


def github_location(place: GitHub) -> TemplateLocation:
    """A file of a repository."""
    return TemplateLocation(name_of_path(place.path), url=place.url, github=place)


def _by_scheme(reference: str, home: Path, beside: TemplateLocation | None) -> TemplateLocation | None:
    scheme = scheme_of(reference)
    if scheme == "template":
        return _named(template_name(reference) or "", home, reference)
    if scheme == "file":
        return _file_url(reference, beside)
    if scheme == "github":
        return github_location(parse_github(reference))
    if scheme in ("https", "http"):
        url = urldefrag(scheme + reference[len(scheme) :]).url
        return TemplateLocation(name_of_url(url), url=url)
    if scheme:
        raise TemplateError(f"template: {reference!r} is not known (allowed: {_ALLOWED}).")
    return None


def _file_url(reference: str, beside: TemplateLocation | None) -> TemplateLocation:
    _refuse_from_remote(reference, beside)
    path = reference.removeprefix("file://")
    if path == reference or not path.startswith("/"):
        raise TemplateError(f"template: {reference!r} is no absolute path (allowed: file:///PATH).")
    return _file(Path(path) if os.path.lexists(path) else Path(unquote(path)), reference)


def _relative(reference: str, home: Path, beside: TemplateLocation) -> TemplateLocation:
    path = expand_user(reference)
    if path.is_absolute():
        _refuse_from_remote(reference, beside)
        return _file(path, reference)
    if not reference or "../" in reference or reference.endswith(".."):
        raise TemplateError(
            f"{beside.location}: {reference!r} is no locator here (allowed: {_ALLOWED}; a relative path "
            "without '..')."
        )
    if beside.url:
        url = urljoin(beside.url, reference)
        return TemplateLocation(name_of_url(url), url=url)
    if beside.named and not _is_beside(reference, beside):
        return _named(posixpath.join(posixpath.dirname(beside.named), reference), home, reference)
    assert beside.path is not None
    return _file(beside.path.parent / path, reference)


def _is_beside(reference: str, beside: TemplateLocation) -> bool:
    return beside.path is not None and _is_file(beside.path.parent / reference)


def _image(reference: str, beside: TemplateLocation | None) -> TemplateLocation:
    """An image's location, relative to the template that references it, if any."""
    location = reference
    if beside is not None and not scheme_of(reference):
        path = expand_user(reference)
        if beside.url and not path.is_absolute():
            location = urljoin(beside.url, reference)
        elif beside.path is not None:
            location = str(beside.path.parent / path)
    return TemplateLocation(image_name(reference, native_arch()), image=location)


def _named(name: str, home: Path, reference: str) -> TemplateLocation:
    """The template's file, as in Lima: ``.yaml`` is added to a name without extension; what begins with a
    digit is no extension.
    """
    places = [*_user_folders(home), builtin_dir()]
    if name and ".." not in name and "\0" not in name:
        _, dot, extension = posixpath.basename(name).rpartition(".")
        file = name if dot and extension and not extension[0].isdigit() else f"{name}.yaml"
        for place in places:
            path = place / file
            if _is_file(path):
                return TemplateLocation(name_of_path(file), path, named=file)
    raise TemplateError(
        f"template: {reference!r} is neither built in nor in {places[0]}.",
        hint=f"{_suggestion(name)} or give a file's path.",
    )


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    known = builtin_names()
    near = " or ".join(map(repr, get_close_matches(name, known, n=3, cutoff=0.7)))
    return f"Did you mean {near}? Name it so," if near else f"Built in are: {', '.join(known)};"


def _refuse_from_remote(reference: str, beside: TemplateLocation | None) -> None:
    if beside is not None and beside.url:
        raise TemplateError(
            f"template: {reference!r}: a remote template cannot name a file of this machine.",
            hint="Download the template and use its path.",
        )


def _file(path: Path, reference: str) -> TemplateLocation:
    path = path if path.is_absolute() else Path.cwd() / path
    if not _is_file(path):
        raise TemplateError(
            f"template: {reference!r}: there is no file {path}.", hint="Give an existing file's path."
        )
    return TemplateLocation(name_of_path(str(path)), path)


def _is_file(path: Path) -> bool:
    try:
        return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name that is too long
    except ValueError:  # a NUL within
        return False
