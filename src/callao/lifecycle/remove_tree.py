# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes a folder, also through a symbolic link to it. Quick to import."""

from __future__ import annotations

from contextlib import suppress
from os.path import realpath
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove a file, a folder, or a link to a folder together with that folder.

    An instance's folder may be such a link, where its user has moved it to a larger disk. Nothing happens
    where nothing exists.

    :raises OSError: when something cannot be removed; the call can be repeated.
    """
    linked = path.is_symlink()
    folder = Path(realpath(path)) if linked else path  # Path.resolve() raises for a loop of links
    if folder.is_dir():
        from shutil import rmtree  # slow to import

        rmtree(folder)
    if linked or path.is_file():
        path.unlink(missing_ok=True)


def remove_if_possible(path: Path) -> None:
    """Do the same, and ignore errors: a later run tries again."""
    with suppress(OSError):
        remove_tree(path)
