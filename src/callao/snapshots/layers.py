# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of a disk that nobody stands on any more."""

from __future__ import annotations

from collections.abc import Callable
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
    if unreadable(paths):
        return
    tops = [paths.disk, *(paths.dir / each.layer for each in listed(paths))]
    try:
        needed = [file for top in tops if top.exists() for file in (top, *chain(top))]
        kept, top = {_file(each) for each in needed}, _file(paths.disk)
        for path in paths.dir.glob(f"{paths.disk.name}.*"):
            if is_layer(path) and _file(path) not in kept and top not in map(_file, chain(path)):
                path.unlink()
    except (DriverError, OSError):
        return


def _file(path: Path) -> tuple[int, int]:
    """The file itself, which may have two names."""
    status = path.stat()
    return status.st_dev, status.st_ino
