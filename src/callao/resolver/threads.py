# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs blocking calls in daemon threads, which do not delay the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

Result = TypeVar("Result")


class DaemonThreads(Generic[Result]):
    """At most ``limit`` at a time, each a daemon.

    A ThreadPoolExecutor's threads are joined when Python ends: a getaddrinfo that hangs would hold up
    the end of the host agent for half a minute.
    """

    def __init__(self, limit: int) -> None:
        self._free = asyncio.Semaphore(limit)

    async def run(self, call: Callable[[], Result]) -> Result:
        """Given up by its caller, the call goes on, and its place is taken till it ends."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Result] = loop.create_future()

        def work() -> None:
            settle: Callable[[], None]
            try:
                settle = partial(outcome.set_result, call())
            except BaseException as error:  # it belongs to the caller, whatever it is
                settle = partial(outcome.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop has ended before us
                loop.call_soon_threadsafe(self._settle, outcome, settle)

        try:
            threading.Thread(target=work, name="callao-getaddrinfo", daemon=True).start()
        except RuntimeError:  # the host has no more threads to give
            self._free.release()
            raise
        return await outcome

    def _settle(self, outcome: asyncio.Future[Result], settle: Callable[[], None]) -> None:
        self._free.release()
        if not outcome.done():
            settle()
