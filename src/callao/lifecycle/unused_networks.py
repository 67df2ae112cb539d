# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the daemons of networks without running instances. Quick to import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from callao.networks.vmnet.logs import was_started


def end_unused_networks(home: Path, name: str, notice: Callable[[str], None]) -> None:
    """End each socket_vmnet that served the stopped instance and serves no running one.

    The host agent does so when it ends. But it may have been killed, or have ended at the same time as
    another one: then each of them saw the other still running.

    :param notice: called with a warning for what cannot be ended.
    """
    if not was_started(home):  # the modules below are slow to import
        return
    from callao.errors import CallaoError
    from callao.networks.vmnet.reconcile import stop_unused

    try:
        stop_unused(home, name)
    except CallaoError as error:
        notice(f"{name}: a network that no instance uses goes on: {error}")
