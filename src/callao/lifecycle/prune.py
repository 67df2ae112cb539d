# SPDX-License-Identifier: GPL-3.0-or-later
"""The image cache pruned, with an eye on what the instances need of it."""

from __future__ import annotations

from pathlib import Path

from callao.drivers import driver_for
from callao.host import Host
from callao.images.prune import Pruned, prune
from callao.instances import inspect, names


def prune_cache(home: Path, host: Host, *, keep_referred: bool) -> Pruned:
    """Remove what no instance's disk is made on.

    :param keep_referred: keep the images that an instance's lima.yaml names, too.
    """
    used: list[Path] = []
    referred: list[str] = []
    for name in names(home):
        instance = inspect(name, home, host)
        if instance.config is None:
            continue
        used += driver_for(instance.config.vm_type).bases(instance.paths)
        if keep_referred:
            referred += [image.location for image in instance.config.images]
    return prune(home, used=used, referred=referred)
