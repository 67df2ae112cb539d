# SPDX-License-Identifier: GPL-3.0-or-later
"""The default name of an instance that is made from a file or URL, as in Lima. Pure."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote, urlsplit


def name_of_path(path: str) -> str:
    """The file's name in lower case, without ``.yml``, then without ``.yaml``."""
    name = posixpath.basename(path.rstrip("/")).lower()
    return name.removesuffix(".yml").removesuffix(".yaml")


def name_of_url(url: str) -> str:
    """The default name for the file of a URL."""
    return name_of_path(unquote(urlsplit(url).path))
