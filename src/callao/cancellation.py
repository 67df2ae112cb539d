# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of tasks in the background."""

from __future__ import annotations

import asyncio
from typing import Any


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Returns when all have ended. One whose own error came first raises that error; a cancellation of the
    caller is not taken for one of the tasks'.
    """
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
