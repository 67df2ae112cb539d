# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance is called that is made from a file, and nobody gives it a name. Pure, as Lima has it."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote, urlsplit


def name_of_path(path: str) -> str:
    """The file's name in small letters, without ``.yml``, then without ``.yaml``."""
    name = posixpath.basename(path.rstrip("/")).lower()
    return name.removesuffix(".yml").removesuffix(".yaml")


def name_of_url(url: str) -> str:
    """The same of the file that a URL leads to."""
    return name_of_path(unquote(urlsplit(url).path))
