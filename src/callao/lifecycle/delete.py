# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance removed: renamed away first, so that there is never half a one."""

from __future__ import annotations

import shutil

from callao.errors import InstanceError
from callao.events import Reporter
from callao.instances import Instance
from callao.instances.inuse import must_be_unused
from callao.lifecycle.aside import removing_at
from callao.lifecycle.stop import stop


def delete(instance: Instance, report: Reporter) -> None:
    """Stop the machine without ceremony (its disk goes, too), and remove the folder.

    :raises InstanceError: when the folder cannot be removed, or a process that no pid file names uses it.
    """
    if instance.agent or instance.driver:
        stop(instance, force=True, report=report)
    must_be_unused(instance.paths, "deleted")
    away = removing_at(instance.dir.parent, instance.name)
    try:
        instance.dir.rename(away)
        shutil.rmtree(away)
    except OSError as error:
        raise InstanceError(f"instance {instance.name!r} cannot be removed: {error}.") from error
