# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of changes for the guest; changes of one path are merged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from callao.inotify.change import Change, merge_kinds

_MAX_WAITING = 50_000
"""Changes at which the watcher has to wait; it finds by a walk what overflows the kernel's queue
meanwhile."""

_BATCH_SIZE = 1_000
"""Changes in one batch: few, so that later changes do not wait long."""


class ChangeQueue:
    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], Change] = {}
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, changes: Iterable[Change]) -> None:
        """Add changes; waits afterwards, while there are too many."""
        for change in changes:
            self._merge(change)
        self._tell()
        await self._room.wait()

    async def take(self) -> list[Change]:
        """Take the oldest changes; waits until there are any."""
        await self._some.wait()
        keys = list(islice(self._waiting, _BATCH_SIZE))
        batch = [self._waiting.pop(key) for key in keys]
        self._tell()
        return batch

    def requeue(self, changes: Iterable[Change]) -> None:
        """Put changes that were not delivered before those that were added since."""
        since, self._waiting = self._waiting, {}
        for change in (*changes, *since.values()):
            self._merge(change)
        self._tell()

    def _merge(self, change: Change) -> None:
        key = change.mount_point, change.name
        earlier = self._waiting.get(key)
        kind = merge_kinds(earlier.kind if earlier else None, change.kind)
        self._waiting[key] = replace(change, kind=kind)

    def _tell(self) -> None:
        (self._some.set if self._waiting else self._some.clear)()
        (self._room.clear if len(self._waiting) > _MAX_WAITING else self._room.set)()
