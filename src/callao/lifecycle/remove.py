# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes an instance's folder; renames it first, so that no partial instance is seen. Quick to import."""

from __future__ import annotations

from pathlib import Path

from callao.autostart import disable
from callao.disks.ownership import release_all
from callao.errors import InstanceError
from callao.instances.in_use import must_be_unused
from callao.instances.lock import instance_lock
from callao.instances.paths import InstancePaths
from callao.instances.status import path_exists
from callao.lifecycle.cleanup import has_no_leftovers, removal_dir, remove_leftovers, remove_sockets
from callao.lifecycle.remove_tree import remove_tree


def remove(paths: InstancePaths) -> None:
    """Remove the folder of a stopped instance.

    :raises InstanceError: when it cannot be removed, or a process that no pid file names uses it.
    :raises DriverError: when what its driver keeps elsewhere cannot be removed.
    """
    must_be_unused(paths, "deleted")
    if path_exists(paths.wsl2_json):
        _release(paths)
    release_all(paths.dir)
    remove_sockets(paths)
    removed_dir = removal_dir(paths.dir.parent, paths.name)
    try:
        remove_tree(removed_dir)  # left by a removal that failed
        paths.dir.rename(removed_dir)
        disable(paths.name, paths.dir.parent)
        remove_tree(removed_dir)
    except OSError as error:
        raise InstanceError(f"instance {paths.name!r} cannot be removed: {error}.") from error


def _release(paths: InstancePaths) -> None:
    """Remove what the driver keeps elsewhere. lima.yaml, which names the driver, may be unreadable."""
    from callao.config import VMType
    from callao.drivers import StateReleaser, driver_for

    driver = driver_for(VMType.WSL2)
    assert isinstance(driver, StateReleaser)
    driver.release(paths)


def finish_removal(home: Path, name: str, timeout: float) -> bool:
    """Remove what a failed or killed removal of the instance has left; returns whether there was any.

    :param timeout: seconds to wait for another run.
    :raises InstanceError: when it cannot be removed.
    """
    if has_no_leftovers(home, name):
        return False
    with instance_lock(name, home, timeout):
        if (home / name).exists():  # made by another run meanwhile
            return False
        try:
            remove_tree(removal_dir(home, name))
        except OSError as error:
            raise InstanceError(f"what is left of instance {name!r} cannot be removed: {error}.") from error
        remove_leftovers(home, name)
    return True
