# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeouts, retries and the size limit of a download, and its progress callback.

Apart from the download itself, whose library takes as long to load as half of the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_ANY_SIZE = 1 << 62
"""Bytes: more than there are."""

Progress = Callable[[int, int | None], None]
"""Told (bytes so far, bytes in all or None) as they come."""


@dataclass(frozen=True)
class DownloadLimits:
    """Seconds without a byte before a server counts as stalled, and how often to go on after a break.

    ``others`` is how many seconds another run may keep us from a file that it is fetching or converting, and
    ``most`` how many bytes a server's file may have.
    """

    connect: float = 15.0
    read: float = 60.0
    tries: int = 4
    others: float = 3600.0
    most: int = _ANY_SIZE
