# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder removed, also one that is a link to where it really is. Quick to import."""

from __future__ import annotations

from contextlib import suppress
from os.path import realpath
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove a file, a folder, or a link to a folder together with that folder.

    An instance's folder may be such a link: its user has moved it to a larger disk. Nothing happens where
    there is nothing.

    :raises OSError: when something of it cannot be removed; it can be tried again then.
    """
    linked = path.is_symlink()
    folder = Path(realpath(path)) if linked else path  # Path.resolve() raises where links go round
    if folder.is_dir():
        from shutil import rmtree  # as slow to import as all the rest of a stop

        rmtree(folder)
    if linked or path.is_file():
        path.unlink(missing_ok=True)


def remove_if_possible(path: Path) -> None:
    """The same, where what stays is tried again by a later run."""
    with suppress(OSError):
        remove_tree(path)
