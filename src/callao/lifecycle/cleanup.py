# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves when it is killed, and where. Quick to import."""

from __future__ import annotations

from os.path import realpath
from pathlib import Path

from callao.disks.ownership import release_all
from callao.instances.in_use import must_be_unused
from callao.instances.paths import InstancePaths
from callao.lifecycle.remove_tree import remove_if_possible, remove_tree


def staging_dir(home: Path, name: str) -> Path:
    """Where an instance is built; a run that was killed leaves this."""
    return home / f".{name}.creating"


def removal_dir(home: Path, name: str) -> Path:
    """Where an instance is removed from; a run that was killed leaves this."""
    return home / f".{name}.deleting"


def reset_dir(home: Path, name: str) -> Path:
    """Where an instance's new disk is made, on its own file system; a run that was killed leaves this."""
    folder = home / name
    beside = Path(realpath(folder)).parent if folder.is_symlink() else home
    return beside / f".{name}.resetting"


def remove_leftovers(home: Path, name: str) -> None:
    """Remove what killed runs have left of this name; the caller holds its lock."""
    for path in _leftovers(home, name):
        remove_if_possible(path)


def has_no_leftovers(home: Path, name: str) -> bool:
    """Whether no run that was killed, or failed, has left anything of this name."""
    return not any(path.is_symlink() or path.exists() for path in _leftovers(home, name))


def _leftovers(home: Path, name: str) -> tuple[Path, ...]:
    return staging_dir(home, name), removal_dir(home, name), reset_dir(home, name)


def remove_stale_files(paths: InstancePaths) -> None:
    """Remove what processes that are gone have left: sockets, pid files, notes that a disk is in use, files
    and snapshots half written or half removed. A saved machine takes as much space as its memory.

    :raises InstanceError: when a process that no pid file names is not gone.
    """
    must_be_unused(paths, "started or changed")
    release_all(paths.dir)
    for path in (paths.ha_pid, *paths.runtime_files, *paths.dir.glob("ssh-*.sock")):
        path.unlink(missing_ok=True)
    hidden = (*paths.dir.glob(".*"), *paths.snapshots.glob(".*"))
    for path in (each for each in hidden if not _belongs_to_user(each.name)):
        if path.is_symlink():  # as one to a shared directory, which stays
            path.unlink()
        else:
            remove_tree(path)


def _belongs_to_user(name: str) -> bool:
    """Whether it is git's, an editor's or a desktop's, of whoever keeps or edits the folder."""
    return name.startswith((".git", ".#", ".DS_Store")) or name.endswith((".swp", ".swo"))
