# SPDX-License-Identifier: GPL-3.0-or-later
"""The ssh control master comes again while the guest runs, and no more when it shuts down."""

from __future__ import annotations

import asyncio
from typing import Any

from callao.errors import AgentError
from callao.hostagent.master import keep_master


class Guest:
    """Its masters are processes that end at once; it refuses the first login."""

    def __init__(self) -> None:
        self.master: asyncio.subprocess.Process | None = None
        self.stopping: asyncio.Future[Any] | None = None
        self.logins = 0

    async def log_in_again(self) -> None:
        self.logins += 1
        if self.logins == 1:
            raise AgentError("no sshd yet")
        await self.log_in()

    async def log_in(self) -> None:
        self.master = await asyncio.create_subprocess_exec("true")
        if self.logins == 3:
            self.stopping = asyncio.get_running_loop().create_future()


def test_a_lost_master_is_opened_again_until_the_guest_shuts_down() -> None:
    async def scenario() -> int:
        guest = Guest()
        await guest.log_in()
        await keep_master(guest, delay=0.0)
        return guest.logins

    assert asyncio.run(scenario()) == 3
