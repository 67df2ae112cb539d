# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots of one instance, as they lie in its folder."""

from __future__ import annotations

import re
from pathlib import Path

from callao.disk_usage import disk_usage
from callao.errors import ConfigError, Problem, SnapshotError
from callao.instances import InstancePaths
from callao.instances.records import read_json
from callao.snapshots.record import Snapshot

RECORD = "snapshot.json"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?")
_ALLOWED = "1 to 64 letters, digits, '.', '_' and '-', first and last a letter or a digit"


def check_snapshot_name(name: str) -> None:
    """:raises ConfigError: when ``name`` cannot be a snapshot's."""
    if not _NAME.fullmatch(name):
        raise ConfigError([Problem("name", name, "cannot be a snapshot's name", _ALLOWED)])


def listed(paths: InstancePaths) -> list[Snapshot]:
    """All whose record can be read, the oldest first."""
    found = [read_json(each / RECORD, Snapshot) for each in _folders(paths)]
    return sorted((each for each in found if each is not None), key=lambda each: each.created)


def unreadable(paths: InstancePaths) -> list[str]:
    """The names of those whose record cannot be read: nobody knows which layer they stand on."""
    return sorted(each.name for each in _folders(paths) if read_json(each / RECORD, Snapshot) is None)


def _folders(paths: InstancePaths) -> list[Path]:
    """Without those that a run is just making or removing.

    :raises SnapshotError: when the folder cannot be read.
    """
    try:
        return [each for each in paths.snapshots.iterdir() if not each.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SnapshotError(
            f"instance {paths.name!r}: {paths.snapshots} cannot be read: {error}."
        ) from error


def find(paths: InstancePaths, name: str) -> Snapshot:
    """:raises SnapshotError: naming those that there are."""
    check_snapshot_name(name)
    every = listed(paths)
    for each in every:
        if each.name == name:
            return each
    if name in unreadable(paths):
        raise SnapshotError(
            f"snapshot {name!r} of {paths.name!r}: {paths.snapshots / name / RECORD} cannot be read.",
            hint="Bring the file back from a backup, or delete the snapshot.",
        )
    known = ", ".join(each.name for each in every) or "none"
    raise SnapshotError(f"instance {paths.name!r} has no snapshot {name!r} (there are: {known}).")


def size(paths: InstancePaths, snapshot: Snapshot) -> int:
    """Bytes that it takes on the disk: memory, devices, and its own layer."""
    files = [*(paths.snapshots / snapshot.name).iterdir(), paths.dir / snapshot.layer]
    return disk_usage(each for each in files if each.exists())
