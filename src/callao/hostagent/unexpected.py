# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions that nobody expected: each is told in ha.stdout.log, with its traceback in ha.stderr.log, and
ends no more than the work that it came from."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Awaitable

from callao.errors import AgentError
from callao.hostagent import journal

_PATIENCE = 30.0
"""Seconds for one step of the clean-up, before the next has its turn."""


def failure(error: Exception) -> AgentError:
    """It as an error that a caller can be told; the traceback goes to standard error.

    An :class:`OSError` is the host's (a program that is missing, a full disk), the rest is ours.
    """
    with contextlib.suppress(OSError):  # standard error is a file, on a disk that may be full
        traceback.print_exception(error)
    if isinstance(error, OSError):
        return AgentError(f"the host refused: {error}.")
    return AgentError(
        f"the host agent failed: {type(error).__name__}: {error}.",
        hint="The instance's ha.stderr.log has the details; please report it.",
    )


def tell(what: str, error: Exception) -> None:
    """A notice that ``what`` failed; work goes on without it."""
    journal.notice(f"{what}: {failure(error).message}")


async def attempt(what: str, work: Awaitable[object]) -> None:
    """One step of a clean-up, whose failure must not keep the others from being tried."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await work
    except Exception as error:  # whatever it is, the next step has its turn
        tell(what, error)
