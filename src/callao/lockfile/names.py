# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of templates and their texts in a lock file: the same on every machine."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from callao.host import expand_user
from callao.templates import builtin_dir, is_path, template_name


def key_of(reference: str, folder: Path) -> str:
    """The key of ``reference`` in the lock: a name without scheme, a path relative to the lock's folder if
    it is below that.
    """
    name = template_name(reference)
    if name is not None:
        return name
    path = _path(reference)
    return _below(path, folder) if path is not None else reference


def is_relative(reference: str) -> bool:
    """Whether it is a relative path, whose meaning depends on the current folder."""
    path = _path(reference)
    return path is not None and not path.is_absolute()


def reference_of(key: str, folder: Path) -> str:
    """The reference to resolve for ``key``, whatever the current directory."""
    path = _path(key)
    return str(folder / path) if path is not None else key


def place_of(location: str, folder: Path) -> str:
    """The spelling of a text's location in the lock."""
    if "://" in location:
        return location
    path = Path(location)
    with_suffix = _inside(path, builtin_dir())
    if with_suffix is not None:
        return "template:" + with_suffix.removesuffix(".yaml")
    return _below(path, folder)


def _path(reference: str) -> Path | None:
    """The path, if ``reference`` is one by the rules of :func:`callao.templates.find`; else None."""
    if reference.startswith("file://"):
        return Path(unquote(reference.removeprefix("file://")))
    if "://" in reference or reference.startswith("github:"):
        return None
    return expand_user(reference) if is_path(reference) else None


def _below(path: Path, folder: Path) -> str:
    return _inside(path, folder) or str(Path(os.path.normpath(path.absolute())))


def _inside(path: Path, folder: Path) -> str | None:
    """Relative to ``folder``; None elsewhere. Symbolic links stay: they are part of the team's layout."""
    whole, root = (Path(os.path.normpath(each.absolute())) for each in (path, folder))
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else None
