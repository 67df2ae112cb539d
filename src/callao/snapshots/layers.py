# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes layers of disks that no snapshot needs any more; the rules are in :mod:`callao.disks.layers`.

For the host agent while it runs, under its lock, and for a run that has the instance's lock while it is off.
Where the record of a snapshot cannot be read, nobody knows which layers it needs, and all stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from callao.disks import DiskPaths
from callao.disks.layers import LayerStore
from callao.errors import SnapshotError
from callao.instances import InstancePaths, instance_names
from callao.snapshots.store import listed, unreadable


def sweep(paths: InstancePaths, store: LayerStore) -> None:
    """Of an instance's own disk, whose layers are in the snapshots of the instance alone."""
    if not unreadable(paths):
        store.sweep(paths.disk, [each.layer for each in listed(paths)])


def sweep_disk(disk: DiskPaths, home: Path, store: LayerStore) -> None:
    """Of an additional disk, whose layers may be in snapshots of any instance."""
    try:
        needed = list(_needed(disk.name, home))
    except (SnapshotError, OSError):
        return
    store.sweep(disk.image, needed)


def _needed(name: str, home: Path) -> Iterator[str]:
    """:raises SnapshotError: when a record cannot be read."""
    for instance in instance_names(home):
        paths = InstancePaths(home / instance)
        if unreadable(paths):
            raise SnapshotError(f"instance {instance!r} has a snapshot that cannot be read.")
        for snapshot in listed(paths):
            if name in snapshot.disks:
                yield snapshot.disks[name]
