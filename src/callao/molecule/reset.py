# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that was made for a project removed, by the engine alone."""

from __future__ import annotations

from collections.abc import Callable

from callao.events import silent
from callao.host import Host, lima_home
from callao.instances import every
from callao.lifecycle import Request, ensure
from callao.molecule.names import OWNER_LABEL


def remove_all(owner: str, tell: Callable[[str], object]) -> None:
    """Remove each instance whose label says that *owner* had it made.

    :raises CallaoError: when one of them cannot be removed.
    """
    home, host = lima_home(), Host.detect()
    for instance in every(home, host):
        if instance.labels.get(OWNER_LABEL) == owner:
            tell(f"Removing instance {instance.name}")
            request = Request(name=instance.name, state="absent", force=True)
            ensure(request, home=home, host=host, check=False, report=silent)
