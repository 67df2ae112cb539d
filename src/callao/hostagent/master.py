# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the ssh control master of a running guest."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from callao.errors import AgentError
from callao.hostagent import unexpected

_RECONNECT_DELAY = 1.0
"""Seconds between two attempts to log in again."""


class MasterHolder(Protocol):
    """``stopping`` is set once the machine is being stopped."""

    master: asyncio.subprocess.Process | None
    stopping: asyncio.Future[Any] | None

    async def log_in_again(self) -> None: ...


async def keep_master(holder: MasterHolder, delay: float = _RECONNECT_DELAY) -> None:
    """Open the control master again after the connection was lost, for example because sshd was
    restarted, or the host was suspended for too long. Not to a guest that shuts down: it would be busy with
    the connection.

    :param delay: seconds between two attempts.
    """
    while holder.master is not None:
        await holder.master.wait()
        await asyncio.sleep(delay)
        if holder.stopping is not None:
            return
        try:
            await holder.log_in_again()
        except (AgentError, OSError):
            continue
        except Exception as error:  # the next connection may succeed
            unexpected.report("a new connection to the guest", error)
