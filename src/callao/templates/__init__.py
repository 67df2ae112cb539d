# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates: found by name, path or locator, read with their bases."""

from callao.templates.find import builtin_dir, find, names, user_names
from callao.templates.read import Source
from callao.templates.resolve import Resolved, layered, resolve, resolve_text

__all__ = [
    "Resolved",
    "Source",
    "builtin_dir",
    "find",
    "layered",
    "names",
    "resolve",
    "resolve_text",
    "user_names",
]
