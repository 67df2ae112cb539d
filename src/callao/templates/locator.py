# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template's locator says, before anything is looked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from callao.errors import TemplateError

_GITHUB_DEFAULT = ".lima.yaml"
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_REPO = re.compile(r"[A-Za-z0-9._-]+")
_RAW = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class GitHub:
    """``github:OWNER[/REPO[/PATH]][@REF]``; REPO is OWNER's namesake and PATH ``.lima.yaml`` by default."""

    owner: str
    repo: str
    path: str
    ref: str

    @property
    def url(self) -> str:
        """Where GitHub serves the file's text; ``HEAD`` is the default branch."""
        return f"{_RAW}/{self.owner}/{self.repo}/{quote(self.ref)}/{quote(self.path)}"


def parse_github(text: str) -> GitHub:
    """A ``github:`` locator.

    :raises TemplateError: when it is none.
    """
    rest, _, ref = text.removeprefix("github:").removeprefix("//").partition("@")
    owner, _, rest = rest.partition("/")
    repo, _, path = rest.partition("/")
    repo = repo or owner
    path = path or _GITHUB_DEFAULT
    if "." not in path.rpartition("/")[2]:
        path += ".yaml"
    safe = ".." not in path.split("/") and not path.startswith("/")
    if not (_OWNER.fullmatch(owner) and _REPO.fullmatch(repo) and safe) or ("@" in text and not ref):
        raise TemplateError(
            f"template: {text!r} is no GitHub locator (allowed: github:OWNER/REPO[/PATH][@REF])."
        )
    return GitHub(owner, repo, path, ref or "HEAD")


def name_of_url(url: str) -> str:
    """What an instance made from it would be called: the file's name without its extension."""
    last = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return last.removesuffix(".yaml").removesuffix(".yml") or "template"
