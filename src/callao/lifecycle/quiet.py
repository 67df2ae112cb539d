# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before an instance's folder is copied, renamed or reset."""

from __future__ import annotations

from pathlib import Path

from callao.errors import InstanceError
from callao.instances import Instance, Status


def must_be_stopped(instance: Instance, what: str) -> None:
    """For what can only be done to a disk that nobody writes.

    :raises InstanceError: when the instance runs.
    """
    if instance.status is Status.RUNNING or instance.driver is not None:
        raise InstanceError(
            f"instance {instance.name!r} is running, and cannot be {what} now.",
            hint=f"Stop it first: callao stop {instance.name}",
        )


def must_be_free(name: str, home: Path) -> None:
    """:raises InstanceError: when there is an instance of that name."""
    if (home / name).exists():
        raise InstanceError(f"instance {name!r} exists already.", hint="Choose another name.")
