# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves ``github:OWNER[/REPO[/PATH]][@REF]`` to a URL, and follows links in the repository. Pure.

No link leaves the repository, with one exception: the repository with OWNER's own name may redirect to
another repository of OWNER. Text from a server is not trusted, like a locator in a template.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from urllib.parse import quote

from callao.errors import TemplateError

_DEFAULT = ".lima.yaml"
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_REPO = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]+")
_RAW = "https://raw.githubusercontent.com"
_ALLOWED = "allowed: github:OWNER/REPO[/PATH][@REF], within the repository"
_MAX_LINK = 1024


@dataclass(frozen=True)
class GitHub:
    """REPO is OWNER's namesake and PATH ``.lima.yaml`` by default; an empty REF is the default branch."""

    owner: str
    repo: str
    path: str
    ref: str

    @property
    def url(self) -> str:
        """Where GitHub serves the file's text; ``HEAD`` is the default branch."""
        return f"{_RAW}/{self.owner}/{self.repo}/{quote(self.ref or 'HEAD')}/{quote(self.path)}"

    @property
    def is_namesake(self) -> bool:
        """Whether its files may redirect to another repository of the owner."""
        return self.repo == self.owner

    @property
    def default_branch(self) -> GitHub:
        return replace(self, ref="")


def parse_github(text: str) -> GitHub:
    """Parse a ``github:`` locator; a query or fragment is ignored.

    :raises TemplateError: when it is invalid, or leaves its repository.
    """
    opaque = text.partition(":")[2].partition("#")[0].partition("?")[0].removeprefix("//")
    place, _, ref = opaque.partition("@")
    owner, _, rest = place.partition("/")
    repo, _, path = rest.partition("/")
    repo = repo or owner
    safe = _stays_within(path) and _stays_within(ref) and not ref.startswith("/")
    if not (_OWNER.fullmatch(owner) and _REPO.fullmatch(repo) and safe and not path.startswith("/")):
        raise TemplateError(f"template: {text!r} is no GitHub locator ({_ALLOWED}).")
    if not path or path.endswith("/"):
        path += _DEFAULT
    if "." not in posixpath.basename(path)[1:]:
        path += ".yaml"
    return GitHub(owner, repo, posixpath.normpath(path), ref)


def symlink_target(place: GitHub, text: str) -> GitHub | None:
    """The file that a symbolic link at ``place`` points to; None if the text is not a link.

    GitHub serves a symbolic link as a text that contains its target.

    :raises TemplateError: when the target is outside of the repository.
    """
    if not place.path.lower().endswith((".yaml", ".yml")):
        return None
    if place.is_namesake and text.startswith("github:"):
        return redirect(place, text)
    head = text[:_MAX_LINK]
    if not head or any(each in head for each in "\n :"):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(place.path), head))
    if head.startswith("/") or not _stays_within(path):
        raise TemplateError(
            f"template: {place.url} is a link to {head!r}, which leads out of the repository "
            "(allowed: a relative path within it)."
        )
    return replace(place, path=path)


def redirect(place: GitHub, text: str) -> GitHub:
    """The file that the redirect of a namesake repository names, at the same ref.

    :raises TemplateError: when the text is no redirect, or names a repository of another owner.
    """
    line = text.partition("\n")[0].strip()
    if not line.startswith(f"github:{place.owner}/") or "@" in line:
        raise TemplateError(
            f"template: {place.url} sends to {line[:200]!r} (allowed: github:{place.owner}/REPO[/PATH], "
            "without @REF)."
        )
    return replace(parse_github(line), ref=place.ref)


def _stays_within(path: str) -> bool:
    """Whether ``..`` never leaves the starting directory."""
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return False
    return True
