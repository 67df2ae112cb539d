# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a stopped instance in a snapshot: its own and the additional ones, all of them or none."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from callao.config import Config
from callao.disks import DiskPaths, inspect
from callao.disks.ownership import held, must_be_free, release, take
from callao.drivers import Driver, Left
from callao.errors import DiskError
from callao.instances import InstancePaths
from callao.snapshots import Snapshot, refuse_other, refuse_unkept, sweep, sweep_disk


def freeze_disks(paths: InstancePaths, config: Config, driver: Driver) -> Left:
    """Keep them as they are, and go on on top of them.

    :raises DiskError: when one does not exist, or another machine has it.
    :raises SnapshotError: when one cannot be kept.
    :raises DriverError: when they cannot be left; they are then as before.
    """
    disks = [each.name for each in config.additional_disks]
    refuse_unkept(paths, disks)
    with _reserved(paths, disks):
        layer, *others = driver.layers.leave([paths.disk, *(_disk(name, paths).image for name in disks)])
    return Left(layer, dict(zip(disks, others, strict=True)))


def refuse_restore(paths: InstancePaths, config: Config, snapshot: Snapshot) -> None:
    """Before anything is ended.

    :raises DiskError: when a disk does not exist, or another machine has it.
    :raises SnapshotError: when the disks are others by now.
    """
    refuse_other(paths, snapshot.name, snapshot.disks, [each.name for each in config.additional_disks])
    for name in snapshot.disks:
        must_be_free(inspect(name, paths.dir.parent).paths, paths.dir, "returned to a snapshot")


def restore_disks(paths: InstancePaths, snapshot: Snapshot, driver: Driver) -> None:
    """Have them be what they were.

    :raises DiskError: when another machine has taken one meanwhile.
    :raises DriverError: when they cannot be returned; they are then as before.
    """
    with _reserved(paths, snapshot.disks):
        others = {_disk(name, paths).image: layer for name, layer in snapshot.disks.items()}
        driver.layers.return_to({paths.disk: snapshot.layer, **others})


def remove_unused_layers(paths: InstancePaths, disks: Collection[str], driver: Driver) -> None:
    """Remove the layers that nobody needs, of a stopped instance; not of a disk that another one has."""
    sweep(paths, driver.layers)
    for name in disks:
        with contextlib.suppress(DiskError), held(name, paths.dir.parent) as disk:
            must_be_free(disk, None, "swept")
            sweep_disk(disk, paths.dir.parent, driver.layers)


@contextlib.contextmanager
def _reserved(paths: InstancePaths, disks: Collection[str]) -> Iterator[None]:
    """Nobody else starts with them meanwhile."""
    take(list(disks), paths.dir)
    try:
        yield
    finally:
        release(list(disks), paths.dir)


def _disk(name: str, paths: InstancePaths) -> DiskPaths:
    return DiskPaths.of(name, paths.dir.parent)
