# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before an instance's folder is copied, renamed or reset."""

from __future__ import annotations

from pathlib import Path

from callao.errors import InstanceError, InstanceNotFound
from callao.instances import Instance
from callao.instances.inuse import must_be_unused
from callao.instances.store import living


def must_be_stopped(instance: Instance, what: str) -> None:
    """For what can only be done to a disk that nobody writes.

    Asked anew: under the instance's lock the answer stays true.

    :raises InstanceNotFound: when it is gone meanwhile.
    :raises InstanceError: when the instance runs.
    """
    if not instance.dir.is_dir():
        raise InstanceNotFound(f"instance {instance.name!r} does not exist any more.")
    if any(living(instance.paths)):
        raise InstanceError(
            f"instance {instance.name!r} is running, and cannot be {what} now.",
            hint=f"Stop it first: callao stop {instance.name}",
        )
    must_be_unused(instance.paths, what)


def must_be_free(name: str, home: Path) -> None:
    """:raises InstanceError: when there is an instance of that name."""
    if (home / name).exists():
        raise InstanceError(f"instance {name!r} exists already.", hint="Choose another name.")
