# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a template's text from a file or URL, verifies it, and records it for the lock file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from callao.errors import CallaoError, TemplateError
from callao.events import Reporter, silent
from callao.offline import NetworkAccess
from callao.templates.find import TemplateLocation, github_location
from callao.templates.github import redirect, symlink_target
from callao.templates.names import name_of_url

_MAX_BYTES = 4 * 2**20
"""Bytes; a lima.yaml has a few thousand."""

_REDIRECTS = 3


@dataclass(frozen=True)
class Source:
    """One source text of a template; ``digest`` is ``sha256:HEX`` of its bytes."""

    location: str
    digest: str


@dataclass
class Reader:
    """Reads texts, and records their sources and notices about them."""

    home: Path
    access: NetworkAccess = NetworkAccess.ONLINE
    report: Reporter = silent
    sources: list[Source] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """The texts of the template and its bases, in the order in which they were read."""

    def text(self, found: TemplateLocation, digest: str | None = None) -> str:
        """The text at ``found``.

        :param digest: the expected digest of its bytes, ``sha256:HEX`` or ``sha512:HEX``.
        :raises TemplateError: when it cannot be read, is not text, or has another digest.
        """
        return self.read(found, digest)[0]

    def read(self, found: TemplateLocation, digest: str | None = None) -> tuple[str, TemplateLocation]:
        """The text, and its location after links and redirects were followed."""
        try:
            data = self._record_source(found, digest)
        except TemplateError:
            place = found.github
            if digest or place is None or not (place.is_namesake and place.ref):
                raise
            # Only the default branch of a namesake repository may have redirects.
            default = github_location(place.default_branch)
            data = self._record_source(default, None)
            found = github_location(redirect(place, data.decode("utf-8", "replace")))
            data = self._record_source(found, None)
        for _ in range(_REDIRECTS):
            target = _symlink_location(found, data.decode("utf-8", "replace"))
            if target is None:
                break
            found = target
            data = self._record_source(found, None)
        try:
            return data.decode("utf-8"), found
        except UnicodeDecodeError as error:
            raise TemplateError(f"template {found.location} cannot be read: {error}.") from error

    def _record_source(self, found: TemplateLocation, digest: str | None) -> bytes:
        """Record the source. A link and its target are two sources, because either may change."""
        data = self._read_bytes(found, digest)
        self.sources.append(Source(found.location, "sha256:" + hashlib.sha256(data).hexdigest()))
        return data

    def _read_bytes(self, found: TemplateLocation, digest: str | None) -> bytes:
        try:
            name = _algorithm(digest)
            path = found.path or self._fetch(found.url, digest)
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise TemplateError(f"template {found.location} cannot be read: {error.strerror}.") from error
        except TemplateError:
            raise
        except CallaoError as error:
            raise TemplateError(f"template {found.location} is not available: {error}") from error
        if len(data) > _MAX_BYTES:
            raise TemplateError(f"template {found.location} is larger than {_MAX_BYTES // 2**20} MiB.")
        have = f"{name}:{hashlib.new(name, data).hexdigest()}"
        if digest and have != digest:
            raise TemplateError(
                f"template {found.location}: its digest is {have}, and {digest} was expected.",
                hint="Look at what changed, then give the new digest.",
            )
        return data

    def _fetch(self, url: str, digest: str | None) -> Path:
        """Fetch a URL: from the cache if there is a digest, else from the server, whose text may have
        changed.
        """
        from callao.images import (
            DownloadLimits,
            fetch,
            fetch_latest,
        )  # an import that local templates do not need

        home, report, limits = self.home, self.report, DownloadLimits(max_bytes=_MAX_BYTES)
        if digest or self.access is NetworkAccess.OFFLINE:
            access = self.access
            return fetch(url, digest=digest, home=home, report=report, access=access, limits=limits).path
        return fetch_latest(url, home=home, report=report, limits=limits).path


def _algorithm(digest: str | None) -> str:
    if not digest:
        return "sha256"
    from callao.images.digest import algorithm

    return algorithm(digest)


def _symlink_location(found: TemplateLocation, text: str) -> TemplateLocation | None:
    """The location of the target when the text is a symbolic link, as GitHub serves it."""
    if found.github is not None:
        place = symlink_target(found.github, text)
        return github_location(place) if place is not None else None
    line = text.rstrip("\n")
    path = urlsplit(found.url).path.lower()
    if not path.endswith((".yaml", ".yml")) or not line or any(each in line for each in "\n :"):
        return None
    if line.startswith(("/", "#", "{", "[")) or ".." in line.split("/"):
        return None
    url = urljoin(found.url, line)
    return TemplateLocation(name_of_url(url), url=url)
