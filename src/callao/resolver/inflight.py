# SPDX-License-Identifier: GPL-3.0-or-later
"""Shares one lookup among equal questions, because clients repeat questions whose answers are slow."""

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
        """The result of the pending lookup for ``key``, or of a new one that ``start`` begins."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(start())
            task.add_done_callback(lambda done: self._forget(key, done))
        # A client that stops waiting must not cancel the lookup for the others.
        return await asyncio.shield(task)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, key: Key, task: asyncio.Task[Value]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # Retrieve the exception: asyncio logs one that nobody has retrieved.
