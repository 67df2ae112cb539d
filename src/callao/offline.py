# SPDX-License-Identifier: GPL-3.0-or-later
"""Offline work: whether templates and images may be fetched from the network."""

from __future__ import annotations

import enum
import os

from callao.errors import CallaoError

_YES = ("1", "true", "yes", "on")
_NO = ("", "0", "false", "no", "off")


class NetworkAccess(enum.Enum):
    """Where remote files may come from."""

    ONLINE = enum.auto()
    """From the cache, else from the server."""
    OFFLINE = enum.auto()
    """From the cache only."""


def network_access_of_environment() -> NetworkAccess:
    """``CALLAO_OFFLINE``: any of 1, true, yes, on means offline.

    :raises CallaoError: for any other word.
    """
    value = os.environ.get("CALLAO_OFFLINE", "").strip().lower()
    if value not in _YES + _NO:
        raise CallaoError(f"CALLAO_OFFLINE: {value!r} is not known (allowed: {', '.join(_YES + _NO[1:])}).")
    return NetworkAccess.OFFLINE if value in _YES else NetworkAccess.ONLINE


def network_access(offline: bool | None) -> NetworkAccess:
    """The value of an option ``offline``; when it is None, the value from the environment.

    :raises CallaoError: as :func:`network_access_of_environment` does.
    """
    if offline is None:
        return network_access_of_environment()
    return NetworkAccess.OFFLINE if offline else NetworkAccess.ONLINE
