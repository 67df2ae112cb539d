# SPDX-License-Identifier: GPL-3.0-or-later
"""How a test waits for what another task brings about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 180.0
"""Seconds after which a test fails instead of hanging."""


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)
