# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates: found by name, path or locator, read with their bases."""

from callao.templates.find import bare_name, builtin_dir, find, is_path, names, user_names
from callao.templates.read import Source
from callao.templates.resolve import Bases, Resolved, layered, resolve, resolve_text

__all__ = [
    "Bases",
    "Resolved",
    "Source",
    "bare_name",
    "builtin_dir",
    "find",
    "is_path",
    "layered",
    "names",
    "resolve",
    "resolve_text",
    "user_names",
]
