# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the network may be asked."""

from __future__ import annotations

import enum
import os

from callao.errors import CallaoError

_YES = ("1", "true", "yes", "on")
_NO = ("", "0", "false", "no", "off")


class Access(enum.Enum):
    """How a remote file may be had."""

    ONLINE = enum.auto()
    """From the cache, else from its server."""
    OFFLINE = enum.auto()
    """From the cache only."""


def access_of_environment() -> Access:
    """``CALLAO_OFFLINE``: any of 1, true, yes, on means offline.

    :raises CallaoError: for any other word.
    """
    said = os.environ.get("CALLAO_OFFLINE", "").strip().lower()
    if said not in _YES + _NO:
        raise CallaoError(f"CALLAO_OFFLINE: {said!r} is not known (allowed: {', '.join(_YES + _NO[1:])}).")
    return Access.OFFLINE if said in _YES else Access.ONLINE


def access_of(offline: bool | None) -> Access:
    """Somebody's wish, and where there is none what the environment says.

    :raises CallaoError: as :func:`access_of_environment` does.
    """
    if offline is None:
        return access_of_environment()
    return Access.OFFLINE if offline else Access.ONLINE
