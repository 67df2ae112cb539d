# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine without a guest, for tests of everything around it."""

from __future__ import annotations

import asyncio
import os

from support.apple.vsock_device import VsockDevice

VARIABLE = "CALLAO_STAND_IN_GUEST"


def guest_wanted() -> bool:
    return os.environ.get(VARIABLE) != "none"


class IdleMachine:
    """It obeys the power button at once."""

    def __init__(self) -> None:
        self.state = "Running"
        self.vsock: VsockDevice | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        self.state = "Stopped"
        return 0

    async def power_button(self) -> None:
        self.end()

    async def pause(self) -> None:
        self.state = "Paused"

    async def resume(self) -> None:
        self.state = "Running"

    def end(self) -> None:
        self.state = "Stopping"
        self._ended.set()

    def close(self) -> None:
        """There is nothing to close."""
