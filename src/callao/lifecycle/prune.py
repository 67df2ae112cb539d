# SPDX-License-Identifier: GPL-3.0-or-later
"""The image cache pruned, with an eye on what the instances need of it."""

from __future__ import annotations

from pathlib import Path

from callao.config import Config, VMType
from callao.drivers import driver_for, known
from callao.host import Host
from callao.images.prune import Pruned, prune
from callao.instances import InstancePaths, inspect, names
from callao.lifecycle.create import building_at

_QCOW2 = b"QFI\xfb"


def prune_cache(home: Path, host: Host, *, keep_referred: bool) -> Pruned:
    """Remove what no instance's disk is made on.

    :param keep_referred: keep the images that an instance's lima.yaml names, too.
    """
    used: list[Path] = []
    referred: list[str] = []
    for name in names(home):
        instance = inspect(name, home, host)
        kind = instance.config.vm_type if instance.config is not None else VMType.QEMU
        used += _bases(instance.paths, kind)
        if keep_referred and instance.config is not None:
            referred += _locations(instance.config)
    for aside in home.glob(building_at(home, "*").name):  # another run makes an instance
        used += _bases(InstancePaths(aside), VMType.QEMU)
    return prune(home, used=used, referred=referred)


def _bases(paths: InstancePaths, kind: VMType) -> tuple[Path, ...]:
    """Asked of the disk itself: a lima.yaml that cannot be understood frees nothing.

    :raises DriverError: when the disk cannot be read; then nobody knows what it needs.
    """
    if not paths.disk.is_file() or str(kind) not in known():
        return ()
    with paths.disk.open("rb") as file:
        if file.read(len(_QCOW2)) != _QCOW2:  # raw, as vz has them: on nothing
            return ()
    return driver_for(kind).bases(paths)


def _locations(config: Config) -> list[str]:
    found: list[str] = []
    for image in config.images:
        found += [each.location for each in (image, image.kernel, image.initrd) if each is not None]
    return found
