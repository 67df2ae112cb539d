# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's side: an asynchronous stream of changes in the shared directories."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from callao.inotify.change import Change, Shared
from callao.inotify.echo_filter import EchoFilter
from callao.inotify.tree import Tree

BATCH_INTERVAL = 0.1
"""The minimum of seconds between batches, except when one burst fills several."""

RECHECK_INTERVAL = 1.0
"""Seconds after which a location that has disappeared or exists again is noticed at the latest."""

WALK_INTERVAL = 5.0
"""Seconds between walks while the host has too few inotify watches for all folders."""

_T = TypeVar("_T")


class Watcher:
    """Iterate over it, once at a time, inside ``async with``, for batches of changes.

    A slow consumer loses no changes: what overflows the kernel's queue is found by a walk.
    """

    def __init__(self, shares: Iterable[Shared] = ()) -> None:
        self.told = EchoFilter()
        self.mount_points: set[str] = set()
        self._first = tuple(shares)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inotify")
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        """:raises AgentError: when this host has no inotify."""
        self._tree = await self._run(lambda: Tree(self.told))
        for share in self._first:
            await self.add(share)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After what a cancelled iteration has left in the thread.
        await self._run(self._tree.close)
        self._thread.shutdown()

    async def add(self, share: Shared) -> None:
        """Watch one more directory; it is watched when this returns."""
        await self._run(lambda: self._tree.add(share))
        self.mount_points.add(share.mount_point)
        self._news.set()

    async def remove(self, share: Shared) -> None:
        await self._run(lambda: self._tree.remove(share))
        self.mount_points.discard(share.mount_point)

    async def __aiter__(self) -> AsyncIterator[tuple[Change, ...]]:
        loop = asyncio.get_running_loop()
        swept = loop.time()
        while True:
            if await self._wait(RECHECK_INTERVAL):
                until = loop.time() + BATCH_INTERVAL
                # Read at once and often, so that the kernel's queue does not overflow.
                while (left := until - loop.time()) > 0:
                    await self._run(self._tree.read)
                    await self._wait(left)
            await self._run(self._tree.read)
            if self._tree.lacks_watches and loop.time() - swept > WALK_INTERVAL:
                self._tree.request_walk()
                swept = loop.time()
            batches = self._tree.take()
            while batch := await self._run(lambda: next(batches, ())):  # noqa: B023
                yield batch

    async def _wait(self, seconds: float) -> bool:
        """Whether events can be read within ``seconds``."""
        loop, descriptor = asyncio.get_running_loop(), self._tree.fileno()
        loop.add_reader(descriptor, self._news.set)
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        finally:
            with contextlib.suppress(OSError, ValueError):
                loop.remove_reader(descriptor)
        self._news.clear()
        return True

    async def _run(self, work: Callable[[], _T]) -> _T:
        """Run the tree's work in one thread: walks take long, and must not run at the same time."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
