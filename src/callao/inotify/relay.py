# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends changes to the guest: one unacknowledged batch at a time, repeated when a session ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from callao.inotify.change import Change, stamp_of
from callao.inotify.echo_filter import EchoFilter
from callao.inotify.queue import ChangeQueue
from callao.inotify.watcher import Watcher
from callao.ssh import terminate

MAX_PAUSE = 30.0
"""The maximum of seconds between attempts while the guest's process keeps ending."""

Spawn = Callable[[], Awaitable[asyncio.subprocess.Process]]


def guest_command(python: str = "python3", file_systems: Sequence[str] = ()) -> str:
    """A shell command for the guest, to be run as root: the guest's side, from its own text.

    :param file_systems: types it may touch instead of those of shared directories; ``*`` is any.
    """
    text = Path(__file__).with_name("guest.py").read_text(encoding="utf-8")
    return shlex.join([python, "-u", "-c", text, *file_systems])


async def relay(
    watcher: Watcher, spawn: Spawn, *, pause: float = 1.0, notice: Callable[[str], None] = lambda _: None
) -> None:
    """Send changes to the guest until cancelled.

    :param spawn: starts the guest's process with pipes as stdin and stdout; called again when it has ended.
    :param pause: seconds before the second attempt; doubles up to :data:`MAX_PAUSE`.
    :param notice: called with a sentence for each process that ended.
    """
    queue = ChangeQueue()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_gather(watcher, queue))
        tasks.create_task(_send(watcher, queue, spawn, pause, notice))


async def _gather(watcher: Watcher, queue: ChangeQueue) -> None:
    async for batch in watcher:
        await queue.put(batch)


async def _send(
    watcher: Watcher, queue: ChangeQueue, spawn: Spawn, pause: float, notice: Callable[[str], None]
) -> None:
    wait, number = pause, 0
    while True:
        process: asyncio.subprocess.Process | None = None
        batch: list[Change] = []
        try:
            process = await spawn()
            await _deliver(process, 0, {point: [] for point in watcher.mount_points})
            while True:
                batch = await queue.take()
                number += 1
                await _deliver(process, number, await asyncio.to_thread(_entries, batch, watcher.told))
                batch, wait = [], pause
        except Exception as error:  # it has ended, or its answer is invalid
            notice(f"mountInotify: the guest's side ended ({error}); again in {wait:.0f} s.")
        finally:
            queue.requeue(batch)
            if process is not None:
                await terminate(process)
        await asyncio.sleep(wait)
        wait = min(wait * 2, MAX_PAUSE)


def _entries(batch: Sequence[Change], told: EchoFilter) -> dict[str, list[list[str | int]]]:
    """The batch in the guest's format, with the present state of each path."""
    entries: dict[str, list[list[str | int]]] = {}
    for change in sorted(batch, key=lambda change: change.path):
        stamp = stamp_of(change.source)
        attributes = [] if stamp is None else [stamp.mode, stamp.mtime, stamp.atime]
        if stamp is not None:
            told.remember(change.source, stamp)
        entries.setdefault(change.mount_point, []).append([change.name, *attributes])
    return entries


async def _deliver(
    process: asyncio.subprocess.Process, number: int, entries: dict[str, list[list[str | int]]]
) -> None:
    """Send one batch and wait until the guest has done it.

    :raises OSError: or EOFError, when the process ends before.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"id": number, "changes": entries}).encode() + b"\n")
    await process.stdin.drain()
    while line := await process.stdout.readline():
        with contextlib.suppress(ValueError):  # output of the login shell, for example
            if json.loads(line) == {"done": number}:
                return
    raise EOFError(f"status {await process.wait()}")
