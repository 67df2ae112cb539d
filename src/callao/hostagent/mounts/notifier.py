# SPDX-License-Identifier: GPL-3.0-or-later
"""``mountInotify``: the host's changes in shared directories told to a program in the guest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from callao.events import Stage
from callao.hostagent import journal, unexpected
from callao.inotify import Shared, Watcher, guest_command, relay
from callao.ssh import Client
from callao.system import die_with_parent

_PATIENCE = 10.0
"""Seconds for the program in the guest to end when it is told to."""


@dataclass
class Notifier:
    """One watcher and one guest program for all writable shares of a machine."""

    client: Client
    watcher: Watcher | None = None
    task: asyncio.Task[None] | None = None
    process: asyncio.subprocess.Process | None = None
    """ssh, with the guest's program at its other end."""

    async def start(self, shares: Iterable[tuple[str, str]]) -> None:
        """Watch (location, mount point) pairs until :meth:`close`.

        :raises AgentError: on a host whose changes cannot be watched.
        """
        self.watcher = Watcher([Shared(location, point) for location, point in shares])
        await self.watcher.__aenter__()
        self._begin(self.watcher)

    async def add(self, location: str, point: str) -> None:
        assert self.watcher is not None
        await self.watcher.add(Shared(location, point))

    async def remove(self, location: str, point: str, *, held: bool) -> None:
        """:param held: whether the guest's program has folders of it open, as it has of 9p's: nothing could
        unmount them. It lets go of them by ending, and the next one holds those that are left.
        """
        assert self.watcher is not None
        await self.watcher.remove(Shared(location, point))
        if held:
            await self._leave()
            await self._cease()
            self._begin(self.watcher)

    async def close(self) -> None:
        """Stop both; nothing happens when they never ran."""
        await self._cease()
        if self.watcher is not None:
            await self.watcher.__aexit__(None, None, None)

    def _begin(self, watcher: Watcher) -> None:
        self.task = asyncio.ensure_future(self._relay(watcher))

    async def _relay(self, watcher: Watcher) -> None:
        try:
            await relay(watcher, self._spawn, notice=_notice)
        except Exception as error:  # of the watcher: the mounts go on without it
            unexpected.tell("mountInotify: changes are not told to the guest any more", error)

    async def _cease(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task

    async def _leave(self) -> None:
        """Returns when the guest's program is gone: ssh ends after it, unless ssh is killed."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), _PATIENCE)

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
