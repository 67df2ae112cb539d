# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves when it is killed, and where. Quick to import."""

from __future__ import annotations

from pathlib import Path

from callao.instances.inuse import must_be_unused
from callao.instances.paths import InstancePaths


def building_at(home: Path, name: str) -> Path:
    """Where an instance is built; a run that was killed leaves this."""
    return home / f".{name}.creating"


def removing_at(home: Path, name: str) -> Path:
    """Where an instance is removed from; a run that was killed leaves this."""
    return home / f".{name}.deleting"


def resetting_at(home: Path, name: str) -> Path:
    """Where an instance's new disk is made; a run that was killed leaves this."""
    return home / f".{name}.resetting"


def sweep(home: Path, name: str) -> None:
    """Remove what killed runs have left of this name; the caller holds its lock."""
    for path in (building_at(home, name), removing_at(home, name), resetting_at(home, name)):
        if path.exists():
            from shutil import rmtree  # as slow to import as all the rest of a stop

            rmtree(path, ignore_errors=True)


def clear_stale(paths: InstancePaths) -> None:
    """Remove what processes that are gone have left: sockets, pid files, files half written.

    :raises InstanceError: when a process that no pid file names is not gone.
    """
    must_be_unused(paths, "started or changed")
    for path in (paths.ha_pid, *paths.of_processes):
        path.unlink(missing_ok=True)
    for path in paths.dir.glob(".*"):
        if path.is_file():
            path.unlink()
        else:
            from shutil import rmtree

            rmtree(path)
