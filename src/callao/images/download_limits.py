# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeouts, retries and the size limit of a download, and its progress callback.

Not in the module that downloads, because that one imports urllib3, which is slow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_ANY_SIZE = 1 << 62
"""Bytes: more than there are."""

Progress = Callable[[int, int | None], None]
"""Called with (bytes so far, bytes in all or None)."""


@dataclass(frozen=True)
class DownloadLimits:
    """Timeouts in seconds, and limits.

    :param connect: seconds until a server has to accept the connection.
    :param read: seconds without a byte before a server counts as stalled.
    :param tries: how many times an interrupted download is resumed.
    :param lock_timeout: seconds to wait for another run that fetches or converts the same file.
    :param max_bytes: the largest file that is accepted.
    """

    connect: float = 15.0
    read: float = 60.0
    tries: int = 4
    lock_timeout: float = 3600.0
    max_bytes: int = _ANY_SIZE
