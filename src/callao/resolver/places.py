# SPDX-License-Identifier: GPL-3.0-or-later
"""How many queries are answered at a time."""

from __future__ import annotations

import asyncio


class Places:
    """As a semaphore, but one can also be had at once or not at all, outside of any task."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._freed = asyncio.Event()

    def take_now(self) -> bool:
        if not self._free:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        while not self.take_now():
            self._freed.clear()
            await self._freed.wait()

    def leave(self) -> None:
        self._free += 1
        self._freed.set()
