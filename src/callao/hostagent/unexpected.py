# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles unexpected exceptions: each is reported in ha.stdout.log, with its traceback in ha.stderr.log, and
ends only the task that raised it.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Awaitable

from callao.errors import AgentError
from callao.hostagent import journal

_STEP_TIMEOUT = 30.0
"""Seconds for one step of a clean-up."""


def as_agent_error(error: Exception) -> AgentError:
    """Convert an exception to an error for the user; the traceback goes to standard error.

    An :class:`OSError` has a cause on the host (a missing program, a full disk), others are programming
    errors.
    """
    with contextlib.suppress(OSError):  # standard error is a file, on a disk that may be full
        traceback.print_exception(error)
    if isinstance(error, OSError):
        return AgentError(f"the host refused: {error}.")
    return AgentError(
        f"the host agent failed: {type(error).__name__}: {error}.",
        hint="The instance's ha.stderr.log has the details; please report it.",
    )


def report(what: str, error: Exception) -> None:
    """Write a notice that ``what`` failed."""
    journal.notice(f"{what}: {as_agent_error(error).message}")


async def try_step(what: str, work: Awaitable[object]) -> None:
    """Run one step of a clean-up; a failure is reported, so that the next steps run."""
    try:
        async with asyncio.timeout(_STEP_TIMEOUT):
            await work
    except Exception as error:  # any failure: the next step must run
        report(what, error)
