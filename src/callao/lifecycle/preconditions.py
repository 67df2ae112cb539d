# SPDX-License-Identifier: GPL-3.0-or-later
"""Preconditions of operations on an instance's folder: it is stopped, and the new name is free."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from callao.errors import InstanceError, InstanceNotFound
from callao.instances.in_use import must_be_unused
from callao.instances.paths import InstancePaths
from callao.instances.status import is_directory, live_processes


class HasPaths(Protocol):
    """An instance, read whole or from the index."""

    @property
    def paths(self) -> InstancePaths: ...


def must_be_stopped(instance: HasPaths, what: str) -> None:
    """Precondition of an operation on the disk.

    The caller holds the instance's lock, under which it stays true.

    :raises InstanceNotFound: when it is gone meanwhile.
    :raises InstanceError: when the instance runs.
    """
    paths = instance.paths
    if not is_directory(paths.dir):
        raise InstanceNotFound(f"instance {paths.name!r} does not exist any more.")
    found = live_processes(paths)
    if found.agent or found.driver:
        raise InstanceError(
            f"instance {paths.name!r} is running, and cannot be {what} now.",
            hint=f"Stop it first: callao stop {paths.name}",
        )
    must_be_unused(paths, what)


def must_not_exist(name: str, home: Path) -> None:
    """:raises InstanceError: when there is an instance of that name."""
    if (home / name).exists():
        raise InstanceError(f"instance {name!r} exists already.", hint="Choose another name.")
