# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is paused since the host's disk is full: told, and let go on when there is space."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from callao.drivers import OutOfSpacePauser
from callao.errors import DriverError
from callao.hostagent import journal
from callao.instances import InstancePaths
from callao.instances.status import paused_message

_LOOK = 1.0
"""Seconds between two looks whether there is space."""

_NEEDED = 1 << 20
"""Bytes free with which it is worth a try. What the guest writes next may need more: it is paused again."""

_STEADY = 1.0
"""Seconds that a machine runs after a pause before it is said to go on."""

_DENIED = 30.0
"""Seconds between two tries where there seems to be space: a quota may not let us have it."""


@dataclass
class SpaceWatch:
    """Of one machine. ``tell`` takes a sentence for people."""

    machine: OutOfSpacePauser
    paths: InstancePaths
    tell: Callable[[str], None]
    paused: bool = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.machine.wait_out_of_space()
            self.paused = True
            try:
                self._mark()
                self._say(paused_message(self.paths))
                while not await self._goes_on():
                    pass
            finally:
                self.paused = False
                with contextlib.suppress(OSError):
                    self.paths.disk_full.unlink(missing_ok=True)
            self._say("there is space again: the machine goes on.")

    async def _goes_on(self) -> bool:
        """Wait for space, and try once."""
        while not self._has_space():
            await asyncio.sleep(_LOOK)
            self._mark()
        with contextlib.suppress(DriverError):  # it is being switched off, or paused for a snapshot
            await self.machine.resume()
        try:
            async with asyncio.timeout(_STEADY):
                await self.machine.wait_out_of_space()
        except TimeoutError:
            return True
        if self._has_space():
            await asyncio.sleep(_DENIED)
        return False

    def _has_space(self) -> bool:
        try:
            return shutil.disk_usage(self.paths.disk.resolve().parent).free >= _NEEDED
        except OSError:  # the folder is gone
            return False

    def _mark(self) -> None:
        """An empty file takes no space, though a name in a folder may: it is tried again."""
        with contextlib.suppress(OSError):
            self.paths.disk_full.touch(mode=0o600)
        journal.flush()

    def _say(self, sentence: str) -> None:
        with contextlib.suppress(OSError):  # the journal is on that disk, and written when there is space
            self.tell(sentence)
