# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons of networks ended once no running instance is left in them. Quick to import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from callao.networks.vmnet.logs import was_started


def end_unused_networks(home: Path, name: str, notice: Callable[[str], None]) -> None:
    """End each socket_vmnet that ran for the instance, which is off, and for no other that runs.

    Its host agent does so when it ends. But it may have been killed, or have ended together with another's:
    each of the two saw the other running then.

    :param notice: hears of what cannot be ended.
    """
    if not was_started(home):  # what comes next is slow to import
        return
    from callao.errors import CallaoError
    from callao.networks.vmnet.reconcile import stop_unused

    try:
        stop_unused(home, name)
    except CallaoError as error:
        notice(f"{name}: a network that no instance uses goes on: {error}")
