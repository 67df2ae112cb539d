# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the snapshots in an instance's folder."""

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


def list_snapshots(paths: InstancePaths) -> list[Snapshot]:
    """The snapshots whose record can be read, the oldest first."""
    found = [read_json(each / RECORD, Snapshot) for each in _folders(paths)]
    return sorted((each for each in found if each is not None), key=lambda each: each.created)


def unreadable_snapshots(paths: InstancePaths) -> list[str]:
    """The names of the snapshots whose record cannot be read, so that their layers are not known."""
    return sorted(each.name for each in _folders(paths) if read_json(each / RECORD, Snapshot) is None)


def _folders(paths: InstancePaths) -> list[Path]:
    """The folders of the snapshots, without those that a run is creating or removing.

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
    """Read a snapshot by its name.

    :raises SnapshotError: when it does not exist, with the names of those that do, or cannot be read.
    """
    check_snapshot_name(name)
    every = list_snapshots(paths)
    for each in every:
        if each.name == name:
            return each
    if name in unreadable_snapshots(paths):
        raise SnapshotError(
            f"snapshot {name!r} of {paths.name!r}: {paths.snapshots / name / RECORD} cannot be read.",
            hint="Bring the file back from a backup, or delete the snapshot.",
        )
    known = ", ".join(each.name for each in every) or "none"
    raise SnapshotError(f"instance {paths.name!r} has no snapshot {name!r} (there are: {known}).")


def size(paths: InstancePaths, snapshot: Snapshot) -> int:
    """Bytes that a snapshot takes on the disk: memory, device state, and its own layer."""
    files = [*(paths.snapshots / snapshot.name).iterdir(), paths.dir / snapshot.layer]
    return disk_usage(each for each in files if each.exists())
