# SPDX-License-Identifier: GPL-3.0-or-later
"""How a test waits for what another task brings about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE = 180.0
"""Seconds after which a test fails instead of hanging."""


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


def eventually(true: Callable[[], object]) -> None:
    """For a test that is no coroutine; what it waits for takes other processes a while."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.1)
