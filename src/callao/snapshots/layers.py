# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of a disk that nobody stands on any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from callao.errors import DriverError
from callao.instances import InstancePaths
from callao.snapshots.store import is_layer, listed, unreadable

Chain = Callable[[Path], tuple[Path, ...]]
"""The files that a disk is made on, as :meth:`callao.drivers.base.Driver.chain` finds them."""


def sweep(paths: InstancePaths, chain: Chain) -> None:
    """Remove the layers that neither the disk nor a snapshot stands on.

    For whoever knows that no machine is about to write another: the host agent while it runs, under its
    lock, and a run that has the instance's lock while it is off. Where a snapshot's record or a disk cannot
    be read, nobody knows what is needed, and all stays; so does what stands on the disk itself, since a
    machine may have gone on in it while the disk's name could not be given to it.
    """
    if not unreadable(paths):
        tops = [paths.dir / each.layer for each in listed(paths)]
        remove_unneeded(paths.disk, tops, is_layer, chain)


def remove_unneeded(
    image: Path, tops: Iterable[Path], is_layer: Callable[[Path], bool], chain: Chain
) -> None:
    """The same of any disk, whose layers lie beside it.

    :param tops: what snapshots need, with all below it.
    """
    try:
        needed = [file for top in (image, *tops) if top.exists() for file in (top, *chain(top))]
        kept, own = {_file(each) for each in needed}, _file(image)
        for path in image.parent.glob(f"{image.name}.*"):
            if is_layer(path) and _file(path) not in kept and own not in map(_file, chain(path)):
                path.unlink()
    except (DriverError, OSError):
        return


def _file(path: Path) -> tuple[int, int]:
    """The file itself, which may have two names."""
    status = path.stat()
    return status.st_dev, status.st_ino
