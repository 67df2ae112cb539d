# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes and restores the disks of a stopped instance: its own and the additional ones, all or none."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from callao.config import Config
from callao.disks import DiskPaths, inspect
from callao.disks.ownership import held, must_be_free, release, take
from callao.drivers import Driver, FrozenLayers
from callao.errors import DiskError
from callao.instances import InstancePaths
from callao.snapshots import (
    Snapshot,
    refuse_changed_disks,
    refuse_unsupported_disks,
    sweep_disk_layers,
    sweep_layers,
)


def freeze_disks(paths: InstancePaths, config: Config, driver: Driver) -> FrozenLayers:
    """Freeze the present layer of each disk, and add a new one on top of it.

    :raises DiskError: when a disk does not exist, or another machine uses it.
    :raises SnapshotError: when a disk cannot be part of a snapshot.
    :raises DriverError: when it fails; the disks are unchanged then.
    """
    disks = [each.name for each in config.additional_disks]
    refuse_unsupported_disks(paths, disks)
    with _reserved(paths, disks):
        layer, *others = driver.layers.freeze([paths.disk, *(_disk(name, paths).image for name in disks)])
    return FrozenLayers(layer, dict(zip(disks, others, strict=True)))


def refuse_restore(paths: InstancePaths, config: Config, snapshot: Snapshot) -> None:
    """Check that the disks can be restored, before the machine is ended.

    :raises DiskError: when a disk does not exist, or another machine uses it.
    :raises SnapshotError: when the instance has other disks now.
    """
    refuse_changed_disks(
        paths, snapshot.name, snapshot.disks, [each.name for each in config.additional_disks]
    )
    for name in snapshot.disks:
        must_be_free(inspect(name, paths.dir.parent).paths, paths.dir, "returned to a snapshot")


def restore_disks(paths: InstancePaths, snapshot: Snapshot, driver: Driver) -> None:
    """Restore the snapshot's disks.

    :raises DiskError: when another machine uses a disk by now.
    :raises DriverError: when it fails; the disks are unchanged then.
    """
    with _reserved(paths, snapshot.disks):
        others = {_disk(name, paths).image: layer for name, layer in snapshot.disks.items()}
        driver.layers.revert({paths.disk: snapshot.layer, **others})


def remove_unused_layers(paths: InstancePaths, disks: Collection[str], driver: Driver) -> None:
    """Remove unused layers of a stopped instance; not of a disk that another one uses."""
    sweep_layers(paths, driver.layers)
    for name in disks:
        with contextlib.suppress(DiskError), held(name, paths.dir.parent) as disk:
            must_be_free(disk, None, "swept")
            sweep_disk_layers(disk, paths.dir.parent, driver.layers)


@contextlib.contextmanager
def _reserved(paths: InstancePaths, disks: Collection[str]) -> Iterator[None]:
    """Lock the disks, so that no other instance starts with them meanwhile."""
    take(list(disks), paths.dir)
    try:
        yield
    finally:
        release(list(disks), paths.dir)


def _disk(name: str, paths: InstancePaths) -> DiskPaths:
    return DiskPaths.of(name, paths.dir.parent)
