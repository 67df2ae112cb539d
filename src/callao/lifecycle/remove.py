# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance's folder removed: renamed away first, so that there is never half a one. Quick to import."""

from __future__ import annotations

from pathlib import Path

from callao.autostart import disable
from callao.disks.ownership import release_all
from callao.errors import InstanceError
from callao.instances.in_use import must_be_unused
from callao.instances.lock import instance_lock
from callao.instances.paths import InstancePaths
from callao.lifecycle.cleanup import has_no_leftovers, removal_dir, remove_leftovers
from callao.lifecycle.remove_tree import remove_tree


def remove(paths: InstancePaths) -> None:
    """Remove the folder of a stopped instance.

    :raises InstanceError: when it cannot be removed, or a process that no pid file names uses it.
    """
    must_be_unused(paths, "deleted")
    release_all(paths.dir)
    away = removal_dir(paths.dir.parent, paths.name)
    try:
        remove_tree(away)  # what a removal that failed has left
        paths.dir.rename(away)
        disable(paths.name, paths.dir.parent)
        remove_tree(away)
    except OSError as error:
        raise InstanceError(f"instance {paths.name!r} cannot be removed: {error}.") from error


def finish_removal(home: Path, name: str, timeout: float) -> bool:
    """Remove the rest of an instance whose removal failed, or was killed; returns whether there was any.

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
