# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes layers of disks that no snapshot needs any more; the rules are in :mod:`callao.disks.layers`.

Called by the host agent, under its lock, while the instance runs, and by a run that holds the instance's
lock while it is stopped. If the record of a snapshot cannot be read, the layers it needs are not known, and
all are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from callao.disks import DiskPaths
from callao.disks.layers import LayerStore
from callao.errors import SnapshotError
from callao.instances import InstancePaths, instance_names
from callao.snapshots.store import list_snapshots, unreadable_snapshots


def sweep_layers(paths: InstancePaths, store: LayerStore) -> None:
    """Remove unneeded layers of an instance's own disk, which only the instance's own snapshots use."""
    if not unreadable_snapshots(paths):
        store.sweep(paths.disk, [each.layer for each in list_snapshots(paths)])


def sweep_disk_layers(disk: DiskPaths, home: Path, store: LayerStore) -> None:
    """Remove unneeded layers of an additional disk, which snapshots of any instance may use."""
    try:
        needed = list(_needed(disk.name, home))
    except (SnapshotError, OSError):
        return
    store.sweep(disk.image, needed)


def _needed(name: str, home: Path) -> Iterator[str]:
    """:raises SnapshotError: when a record cannot be read."""
    for instance in instance_names(home):
        paths = InstancePaths(home / instance)
        if unreadable_snapshots(paths):
            raise SnapshotError(f"instance {instance!r} has a snapshot that cannot be read.")
        for snapshot in list_snapshots(paths):
            if name in snapshot.disks:
                yield snapshot.disks[name]
