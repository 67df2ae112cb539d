# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes what killed runs have left. Quick to import."""

from __future__ import annotations

from os.path import realpath
from pathlib import Path

from callao.disks.ownership import release_all
from callao.instances.in_use import must_be_unused
from callao.instances.paths import InstancePaths
from callao.lifecycle.remove_tree import remove_if_possible, remove_tree


def staging_dir(home: Path, name: str) -> Path:
    """The folder in which an instance is built; left over by a killed run."""
    return home / f".{name}.creating"


def removal_dir(home: Path, name: str) -> Path:
    """The name under which a folder is deleted; left over by a killed run."""
    return home / f".{name}.deleting"


def reset_dir(home: Path, name: str) -> Path:
    """The folder for a new disk, on the instance's file system; left over by a killed run."""
    folder = home / name
    beside = Path(realpath(folder)).parent if folder.is_symlink() else home
    return beside / f".{name}.resetting"


def remove_leftovers(home: Path, name: str) -> None:
    """Remove what killed runs have left of this instance; the caller holds its lock."""
    for path in _leftovers(home, name):
        remove_if_possible(path)


def has_no_leftovers(home: Path, name: str) -> bool:
    """Whether killed or failed runs have left nothing of this instance."""
    return not any(path.is_symlink() or path.exists() for path in _leftovers(home, name))


def _leftovers(home: Path, name: str) -> tuple[Path, ...]:
    return staging_dir(home, name), removal_dir(home, name), reset_dir(home, name)


def remove_stale_files(paths: InstancePaths) -> None:
    """Remove what ended processes have left: sockets, pid files, locks of disks, incomplete files and
    snapshots. An incomplete snapshot can be as large as the machine's memory.

    :raises InstanceError: when a process without a pid file still uses the instance.
    """
    must_be_unused(paths, "started or changed")
    release_all(paths.dir)
    remove_sockets(paths)
    for path in (paths.ha_pid, *paths.runtime_files, *paths.dir.glob("ssh-*.sock")):
        path.unlink(missing_ok=True)
    hidden = (*paths.dir.glob(".*"), *paths.snapshots.glob(".*"))
    for path in (each for each in hidden if not _belongs_to_user(each.name)):
        if path.is_symlink():  # the target stays, for example a shared directory
            path.unlink()
        else:
            remove_tree(path)


def remove_sockets(paths: InstancePaths) -> None:
    """Remove the folder of sockets that a machine on macOS has elsewhere, where a killed agent left it."""
    if paths.sockets.is_symlink():
        from callao.drivers.apple import short_folder  # slow to import, and seldom needed

        short_folder.remove(paths)


def _belongs_to_user(name: str) -> bool:
    """Whether the user's own programs made the file: git, an editor, a desktop."""
    return name.startswith((".git", ".#", ".DS_Store")) or name.endswith((".swp", ".swo"))
