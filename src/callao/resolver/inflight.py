# SPDX-License-Identifier: GPL-3.0-or-later
"""Shares one lookup among clients that ask the same question: clients repeat slow questions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class InFlight(Generic[Key, Value]):
    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Value]] = {}

    async def share(self, key: Key, start: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """The outcome of what is under way for ``key``, or else of what ``start`` begins."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(start())
            task.add_done_callback(lambda done: self._forget(key, done))
        # One who stops waiting must not end it for the others.
        return await asyncio.shield(task)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, key: Key, task: asyncio.Task[Value]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # Nobody may be left to hear of it, which asyncio would complain about.
