# SPDX-License-Identifier: GPL-3.0-or-later
"""``mountInotify``: forwards file changes in shared directories from the host to a program in the guest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from callao.cancellation import cancel_and_wait
from callao.events import Stage
from callao.hostagent import journal, unexpected
from callao.inotify import Shared, Watcher, guest_command, relay
from callao.ssh import Client
from callao.system import die_with_parent

_EXIT_TIMEOUT = 10.0
"""Seconds for the program in the guest to end after its input was closed."""


@dataclass
class Notifier:
    """One watcher and one guest program for all writable shares of a machine."""

    client: Client
    watcher: Watcher | None = None
    task: asyncio.Task[None] | None = None
    process: asyncio.subprocess.Process | None = None
    """The ssh process that runs the program in the guest."""

    async def start(self, shares: Iterable[tuple[str, str]]) -> None:
        """Watch (location, mount point) pairs until :meth:`close`.

        :raises AgentError: on a host without file change notification.
        """
        self.watcher = Watcher([Shared(location, point) for location, point in shares])
        await self.watcher.__aenter__()
        self._start_relay(self.watcher)

    async def add(self, location: str, point: str) -> None:
        assert self.watcher is not None
        await self.watcher.add(Shared(location, point))

    async def remove(self, location: str, point: str, *, is_held_by_program: bool) -> None:
        """Stop watching a share.

        :param is_held_by_program: whether the guest's program has folders of the share open, as with 9p,
        which prevents unmounting. The program is restarted then, and opens the folders of the remaining
        shares.
        """
        assert self.watcher is not None
        await self.watcher.remove(Shared(location, point))
        if is_held_by_program:
            await self._wait_exit()
            await self._stop_relay()
            self._start_relay(self.watcher)

    async def close(self) -> None:
        """Stop the watcher and the guest program, if they run."""
        await self._stop_relay()
        if self.watcher is not None:
            await self.watcher.__aexit__(None, None, None)

    def _start_relay(self, watcher: Watcher) -> None:
        self.task = asyncio.ensure_future(self._relay(watcher))

    async def _relay(self, watcher: Watcher) -> None:
        try:
            await relay(watcher, self._spawn, notice=_notice)
        except Exception as error:  # of the watcher; the mounts work without it
            unexpected.report("mountInotify: changes are no longer forwarded to the guest", error)

    async def _stop_relay(self) -> None:
        if self.task is not None:
            await cancel_and_wait(self.task)

    async def _wait_exit(self) -> None:
        """End the guest's program; returns when it has ended: ssh ends after it unless ssh is killed."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), _EXIT_TIMEOUT)

    async def _spawn(self) -> asyncio.subprocess.Process:
        self.process = await asyncio.create_subprocess_exec(
            *self.client.argv("-o", "ControlMaster=no", command=[f"exec sudo -n {guest_command()}"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
        return self.process


def _notice(sentence: str) -> None:
    journal.notice(f"mountInotify: {sentence}", Stage.MOUNTS)
