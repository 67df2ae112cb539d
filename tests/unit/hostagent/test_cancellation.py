# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of tasks in the background."""

from __future__ import annotations

import asyncio

import pytest

from callao.cancellation import cancel_and_wait


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _end_slowly() -> None:
    try:
        await _for_ever()
    finally:
        await asyncio.sleep(0.05)


async def _fail() -> None:
    raise OSError("gone")


def test_all_tasks_have_ended_after_it() -> None:
    async def check() -> None:
        tasks = [asyncio.ensure_future(each()) for each in (_for_ever, _end_slowly)]
        await asyncio.sleep(0)
        await cancel_and_wait(*tasks)
        assert all(task.done() for task in tasks)

    asyncio.run(check())


def test_the_error_of_a_task_that_failed_before_is_raised() -> None:
    async def check() -> None:
        failed = asyncio.ensure_future(_fail())
        await asyncio.sleep(0.01)
        with pytest.raises(OSError, match="gone"):
            await cancel_and_wait(failed)

    asyncio.run(check())


def test_a_caller_that_is_cancelled_meanwhile_is_cancelled() -> None:
    async def check() -> None:
        slow = asyncio.ensure_future(_end_slowly())
        await asyncio.sleep(0)
        caller = asyncio.ensure_future(cancel_and_wait(slow))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    asyncio.run(check())
