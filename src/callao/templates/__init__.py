# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates: finds them by name, path or locator, and merges them with their base templates."""

from callao.templates.find import all_names, builtin_dir, builtin_names, find, is_path, template_name
from callao.templates.read import Source
from callao.templates.resolve import Bases, Resolved, resolve, resolve_text, with_override_files

__all__ = [
    "Bases",
    "Resolved",
    "Source",
    "all_names",
    "builtin_dir",
    "builtin_names",
    "find",
    "is_path",
    "resolve",
    "resolve_text",
    "template_name",
    "with_override_files",
]
