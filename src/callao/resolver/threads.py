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
    """Runs at most ``limit`` daemon threads at a time.

    Python joins a ThreadPoolExecutor's threads when it exits, so a getaddrinfo that hangs would delay the
    host agent's exit by half a minute.
    """

    def __init__(self, limit: int) -> None:
        self._free = asyncio.Semaphore(limit)

    async def run(self, call: Callable[[], Result]) -> Result:
        """Run ``call``. When the caller is cancelled, the call continues and counts until it returns."""
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
