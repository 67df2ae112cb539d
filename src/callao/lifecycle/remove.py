# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance's folder removed: renamed away first, so that there is never half a one. Quick to import."""

from __future__ import annotations

from callao.errors import InstanceError
from callao.instances.inuse import must_be_unused
from callao.instances.paths import InstancePaths
from callao.lifecycle.leftovers import removing_at


def remove(paths: InstancePaths) -> None:
    """Remove the folder of a stopped instance.

    :raises InstanceError: when it cannot be removed, or a process that no pid file names uses it.
    """
    from shutil import rmtree

    must_be_unused(paths, "deleted")
    away = removing_at(paths.dir.parent, paths.name)
    try:
        paths.dir.rename(away)
        rmtree(away)
    except OSError as error:
        raise InstanceError(f"instance {paths.name!r} cannot be removed: {error}.") from error
