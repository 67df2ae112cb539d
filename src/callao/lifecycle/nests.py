# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the first machine of a kind boots: in a LIMA_HOME of its own, which is gone when it is kept."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from callao.disk_usage import disk_usage
from callao.events import Reporter, silent
from callao.host import Host
from callao.images.prune import Pruned
from callao.instances import inspect
from callao.lifecycle.delete import delete
from callao.snapshots.cache import places

GOLDEN = "golden"
"""The name of the instance that is saved."""


def clear(nest: Path, host: Host, report: Reporter) -> None:
    """Remove what a run of ours, or one that was killed, has left; the caller holds the machine's lock."""
    if (nest / GOLDEN).exists():
        delete(inspect(GOLDEN, nest, host), report)
    shutil.rmtree(nest, ignore_errors=True)


def clear_abandoned(home: Path, host: Host, *, check: bool = False) -> Pruned:
    """Remove what killed runs have left of machines that they wanted to keep.

    A run that is still at one holds its lock.

    :param check: remove nothing, and tell what would be.
    :raises InstanceError: when something cannot be removed.
    """
    gone: list[Path] = []
    freed = 0
    for place in places(home):
        left = [each for each in (place.staging, place.nest) if each.exists()]
        if left:
            with contextlib.suppress(TimeoutError), place.locked(0.0):
                held = sum(disk_usage(folder.rglob("*")) for folder in left)
                if not check:
                    clear(place.nest, host, silent)
                    shutil.rmtree(place.staging, ignore_errors=True)
                gone += left
                freed += held
    return Pruned(tuple(gone), freed)
