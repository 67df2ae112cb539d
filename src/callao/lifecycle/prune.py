# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache pruned, with an eye on what the instances need of it."""

from __future__ import annotations

from pathlib import Path

from callao.config import Config, VMType
from callao.drivers import driver_for, known
from callao.host import Host
from callao.images.prune import Pruned, prune
from callao.instances import InstancePaths, every
from callao.lifecycle.aside import building_at
from callao.lifecycle.nests import clear_abandoned
from callao.snapshots import is_layer
from callao.snapshots.cache import places, trim


def prune_cache(home: Path, host: Host, *, keep_referred: bool) -> Pruned:
    """Remove what no instance's disk is made on: warm machines, and then images.

    An image under a warm machine that stays does so, too. What killed runs have left goes.

    :param keep_referred: keep the images that an instance's lima.yaml names, too.
    """
    abandoned = clear_abandoned(home, host)
    warm = trim(home, 0, lambda: in_use(home, host))
    used = in_use(home, host)
    for place in places(home):
        used += _bases(InstancePaths(place.folder), VMType.QEMU)
        used += _bases(InstancePaths(place.aside), VMType.QEMU)
    referred: list[str] = []
    if keep_referred:
        for instance in every(home, host):
            referred += _locations(instance.config) if instance.config is not None else []
    images = prune(home, used=used, referred=referred)
    parts = (abandoned, warm, images)
    return Pruned(tuple(path for part in parts for path in part.paths), sum(part.size for part in parts))


def in_use(home: Path, host: Host) -> list[Path]:
    """Files that the disks of instances are made on, and those of instances that another run makes.

    :raises DriverError: when a disk cannot be read; then nobody knows what it needs.
    """
    used: list[Path] = []
    for place in (home, *(home / "_warm").glob("*")):
        for instance in every(place, host):
            kind = instance.config.vm_type if instance.config is not None else VMType.QEMU
            used += _bases(instance.paths, kind)
        for aside in place.glob(building_at(place, "*").name):
            used += _bases(InstancePaths(aside), VMType.QEMU)
    return used


def _bases(paths: InstancePaths, kind: VMType) -> tuple[Path, ...]:
    """Asked of the disk itself: a lima.yaml that cannot be understood frees nothing.

    The layers of snapshots may stand on something else than the disk does, after a factory reset.

    :raises DriverError: when a disk cannot be read; then nobody knows what it needs.
    """
    if str(kind) not in known():
        return ()
    driver = driver_for(kind)
    layers = [path for path in paths.dir.glob(f"{paths.disk.name}.*") if is_layer(path)]
    below = [file for layer in layers if layer.exists() for file in driver.chain(layer)]
    return (*driver.bases(paths), *(file for file in below if file.parent != paths.dir))


def _locations(config: Config) -> list[str]:
    found: list[str] = []
    for image in config.images:
        found += [each.location for each in (image, image.kernel, image.initrd) if each is not None]
    return found
