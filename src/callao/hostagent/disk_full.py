# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports that a machine is paused because the host's disk is full, and resumes it when there is space."""

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

_POLL_INTERVAL = 1.0
"""Seconds between two checks for space."""

_MIN_FREE = 1 << 20
"""Free bytes at which to resume. If the guest's next write needs more, the machine is paused again."""

_STABLE_SECONDS = 1.0
"""Seconds that a machine must run after a pause before it is reported as resumed."""

_RETRY_DELAY = 30.0
"""Seconds between two attempts if there seems to be space, which a quota may deny."""


@dataclass
class DiskFullWatch:
    """Watches one machine. ``notify`` is called with sentences for the user."""

    machine: OutOfSpacePauser
    paths: InstancePaths
    notify: Callable[[str], None]
    paused: bool = False

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self.machine.wait_out_of_space()
            self.paused = True
            try:
                self._mark_disk_full()
                self._try_notify(paused_message(self.paths))
                while not await self._try_resume():
                    pass
            finally:
                self.paused = False
                with contextlib.suppress(OSError):
                    self.paths.disk_full.unlink(missing_ok=True)
            self._try_notify("there is space again: the machine goes on.")

    async def _try_resume(self) -> bool:
        """Wait for space, and try to resume; returns whether the machine keeps running."""
        while not self._has_space():
            await asyncio.sleep(_POLL_INTERVAL)
            self._mark_disk_full()
        with contextlib.suppress(DriverError):  # the machine is being stopped, or paused for a snapshot
            await self.machine.resume()
        try:
            async with asyncio.timeout(_STABLE_SECONDS):
                await self.machine.wait_out_of_space()
        except TimeoutError:
            return True
        if self._has_space():
            await asyncio.sleep(_RETRY_DELAY)
        return False

    def _has_space(self) -> bool:
        try:
            return shutil.disk_usage(self.paths.disk.resolve().parent).free >= _MIN_FREE
        except OSError:  # the folder is gone
            return False

    def _mark_disk_full(self) -> None:
        """Create the empty file that marks the pause. Its name in the folder may need space, so it is tried
        again.
        """
        with contextlib.suppress(OSError):
            self.paths.disk_full.touch(mode=0o600)
        journal.flush()

    def _try_notify(self, sentence: str) -> None:
        with contextlib.suppress(
            OSError
        ):  # the journal is on the full disk, and written when there is space
            self.notify(sentence)
