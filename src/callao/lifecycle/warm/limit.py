# SPDX-License-Identifier: GPL-3.0-or-later
"""How large the cache of warm machines may be."""

from __future__ import annotations

from pathlib import Path

from callao.config.sizes import size_of_environment
from callao.errors import CallaoError
from callao.events import Event, EventState, Reporter, Stage
from callao.lifecycle.prune import files_in_use
from callao.snapshots.cache import trim

_DEFAULT = "20GiB"


def max_cache_size() -> int:
    """``CALLAO_WARM_CACHE_SIZE`` in bytes.

    :raises CallaoError: when it is no size.
    """
    return size_of_environment("CALLAO_WARM_CACHE_SIZE", _DEFAULT)


def trim_cache(home: Path, report: Reporter) -> None:
    """Remove the warm machines that were used longest ago, until the cache is as small as it should be.

    What instances stand on stays. That it cannot be done is no reason to fail: it is told.
    """
    try:
        trim(home, max_cache_size(), lambda: files_in_use(home))
    except (CallaoError, OSError) as error:
        message = f"warm: the cache may have become too large: {error}"
        report(Event(stage=Stage.DISK, state=EventState.NOTICE, message=message))
