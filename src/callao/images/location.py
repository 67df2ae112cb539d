# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses an image's location: a path on this machine, or a URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from callao.errors import ImageError
from callao.host import expand_user

_REMOTE = ("http", "https")


@dataclass(frozen=True)
class Location:
    """One of ``path`` and ``url`` is set."""

    text: str
    path: Path | None = None
    url: str = ""

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name if self.path else Path(urlsplit(self.url).path).name or "image"


def parse(text: str) -> Location:
    """Parse a location of lima.yaml.

    :raises ImageError: for a scheme that cannot be fetched.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Location(text, path=expand_user(text).absolute())
    if scheme == "file":
        return Location(text, path=Path(unquote(rest)).absolute())
    if scheme not in _REMOTE:
        allowed = ", ".join((*_REMOTE, "file"))
        raise ImageError(f"location: {text!r} cannot be fetched (allowed: {allowed}, or a path).")
    from urllib3.exceptions import LocationParseError  # slow to import, and only needed for URLs
    from urllib3.util import parse_url

    try:
        host = parse_url(text).host
    except LocationParseError:
        raise ImageError(f"location: {text!r} is no URL (allowed: https://HOST/PATH).") from None
    if not host:
        raise ImageError(f"location: {text!r} names no host (allowed: https://HOST/PATH).")
    return Location(text, url=text)
