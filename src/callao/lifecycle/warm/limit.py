# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits the size of the cache of warm machines."""

from __future__ import annotations

from pathlib import Path

from callao.config.sizes import size_of_environment
from callao.errors import CallaoError
from callao.events import Event, EventState, Reporter, Stage
from callao.lifecycle.prune import files_in_use
from callao.snapshots.warm_cache import trim

_DEFAULT = "20GiB"


def max_cache_size() -> int:
    """``CALLAO_WARM_CACHE_SIZE`` in bytes.

    :raises CallaoError: when the value is no size.
    """
    return size_of_environment("CALLAO_WARM_CACHE_SIZE", _DEFAULT)


def trim_cache(home: Path, report: Reporter) -> None:
    """Remove the least recently used warm machines until the cache is within its limit.

    Those that back instances stay. A failure is only reported.
    """
    try:
        trim(home, max_cache_size(), lambda: files_in_use(home))
    except (CallaoError, OSError) as error:
        message = f"warm: the cache may have become too large: {error}"
        report(Event(stage=Stage.DISK, state=EventState.NOTICE, message=message))
