# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes all instances of a project, by the engine directly."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from callao.errors import CallaoError
from callao.events import silent
from callao.host import Host, lima_home
from callao.instances import all_instances
from callao.lifecycle import Request, ensure
from callao.molecule.names import OWNER_LABEL


def remove_all(owner: str, tell: Callable[[str], object]) -> None:
    """Remove each instance whose label says that *owner* had it made.

    :raises CallaoError: when one of them cannot be removed.
    """
    for instance in all_instances(lima_home(), Host.detect()):
        if instance.labels.get(OWNER_LABEL) == owner:
            tell(f"Removing instance {instance.name}")
            remove(instance.name)


def remove(name: str, home: Path | None = None) -> None:
    """Remove one instance. It is not shut down first, because its disk is deleted.

    :param home: its LIMA_HOME; the environment's by default.
    :raises CallaoError: when it cannot be removed, or when it is not known whether it exists.
    """
    if home is not None:
        _must_be_reachable(name, home)
    request = Request(name=name, state="absent", force=True)
    ensure(request, home=home or lima_home(), host=Host.detect(), check=False, report=silent)


def _must_be_reachable(name: str, home: Path) -> None:
    """Refuse a home that does not exist: it may be on a disk that is not mounted, with the instance in
    it."""
    try:
        os.listdir(home)  # noqa: PTH208 - its names do not matter
    except OSError as error:
        raise CallaoError(
            f"it was made in {home}, which cannot be reached now: {error.strerror}.",
            hint=f"Make that folder available and destroy again. If it is gone for good, with {name} in it, "
            "make an empty one in its place.",
        ) from error
