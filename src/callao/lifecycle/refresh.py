# SPDX-License-Identifier: GPL-3.0-or-later
"""Has a running machine follow its changed lima.yaml."""

from __future__ import annotations

from callao.atomic import write_file
from callao.errors import CallaoError
from callao.instances import InstancePaths

_TIMEOUT = 600.0
"""Seconds for the host agent to answer: its guest may have disks to format."""


def refresh(paths: InstancePaths, before: bytes) -> None:
    """Have the agent read lima.yaml. If it refuses, restore the old file, so that the next run tries again.

    :param before: the content of lima.yaml that it read last.
    :raises AgentError: when it refuses.
    """
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    try:
        call(paths.ha_sock, *routes.REFRESH, timeout=_TIMEOUT)
    except CallaoError:
        write_file(paths.lima_yaml, before)
        raise
