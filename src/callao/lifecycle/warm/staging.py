# SPDX-License-Identifier: GPL-3.0-or-later
"""The temporary LIMA_HOME in which the first machine of a kind boots before it is saved as warm."""

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
from callao.snapshots.warm_cache import warm_entries

SOURCE_NAME = "golden"
"""The name of the instance that is saved."""


def remove_staging_home(staging_home: Path, host: Host, report: Reporter) -> None:
    """Remove the staging home and its machine, also of a killed run; the caller holds the lock."""
    if (staging_home / SOURCE_NAME).exists():
        delete(inspect(SOURCE_NAME, staging_home, host), report)
    shutil.rmtree(staging_home, ignore_errors=True)


def remove_abandoned(home: Path, host: Host, *, check: bool = False) -> Pruned:
    """Remove what killed runs have left while they saved machines.

    An entry whose lock is held is skipped: another run is still saving it.

    :param check: remove nothing, and return what would be removed.
    :raises InstanceError: when something cannot be removed.
    """
    gone: list[Path] = []
    freed = 0
    for entry in warm_entries(home):
        left = [each for each in (entry.staging, entry.staging_home) if each.exists()]
        if left:
            with contextlib.suppress(TimeoutError), entry.lock(0.0):
                held = sum(disk_usage(folder.rglob("*")) for folder in left)
                if not check:
                    remove_staging_home(entry.staging_home, host, silent)
                    shutil.rmtree(entry.staging, ignore_errors=True)
                gone += left
                freed += held
    return Pruned(tuple(gone), freed)
