# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes checkpoints, and returns to them."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from callao.errors import CallaoError
from callao.mcp.checkpoints.listing import EMPTY, Change, Listing, changes, compared_listing, kept_listing
from callao.mcp.checkpoints.machine import Machine
from callao.mcp.checkpoints.store import Store
from callao.mcp.workspace import ToolFailure
from callao.printable import printable

T = TypeVar("T")

KEPT = 10
"""Checkpoints that are kept; the oldest goes first."""

BATCH = 5.0
"""Seconds without a change after which the next change begins a new batch, with a checkpoint before it."""

_SHOWN = 5
"""Paths in a notice."""


@dataclass
class Checkpoint:
    """``tag``: the machine's snapshot; empty without one."""

    name: str
    listings: dict[Path, Listing]
    tag: str = ""


@dataclass
class Checkpoints:
    """The checkpoints of one server.

    :param shares: the writable directories of the host.
    :param machine: what is saved besides; None: only files are.
    :param tag_prefix: what the names of the machine's snapshots begin with.
    :param disconnect: ends the connections to the guest, before its machine is replaced.
    """

    shares: tuple[Path, ...]
    store: Store
    machine: Machine | None
    disconnect: Callable[[], Awaitable[None]]
    now: Callable[[], float] = time.monotonic
    tag_prefix: str = "mcp"
    made: list[Checkpoint] = field(default_factory=list)
    running: int = 0
    _changed_at: float | None = None
    _unchanged_since: float | None = None
    """When the last checkpoint was made, if no change has begun since."""

    _count: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _working: set[asyncio.Task[Any]] = field(default_factory=set)

    async def before_change(self) -> list[str]:
        """Make a checkpoint if a new batch begins; returns notices. The change is not made if this fails."""
        task = self._begin(self._before_change())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._not_changed)
            raise

    def after_change(self) -> None:
        self.running -= 1
        self._changed_at = self.now()

    async def make(self, name: str) -> tuple[Checkpoint, list[str]]:
        """Make a checkpoint; returns it and notices."""
        return await asyncio.shield(self._begin(self._make_named(name)))

    async def differences(self, name: str) -> tuple[Checkpoint, list[Change]]:
        """The files that have changed since a checkpoint, with their paths on the host."""
        async with self._lock:
            checkpoint = self._find(name)
            found: list[Change] = []
            for share, before in checkpoint.listings.items():
                after = await self._compared(share, before)
                found += [Change(f"{share}/{each.path}", each.what) for each in changes(before, after)]
            return checkpoint, found

    async def undo(self, name: str) -> tuple[Checkpoint, list[str], list[str]]:
        """Return to a checkpoint; returns it, the files that were restored, and notices."""
        return await asyncio.shield(self._begin(self._undo(name)))

    async def _undo(self, name: str) -> tuple[Checkpoint, list[str], list[str]]:
        async with self._lock:
            checkpoint = self._find(name)
            notices: list[str] = []
            if checkpoint.tag and self.machine is not None:
                await self.disconnect()
                await self.machine.apply(checkpoint.tag)
            else:
                notices.append("only files of the shared directories were restored, not the machine")
            restored: list[str] = []
            for share, wanted in checkpoint.listings.items():
                present = await self._compared(share, wanted)
                done, failed = await asyncio.to_thread(self._restore, share, wanted, present)
                restored += [f"{share}/{each}" for each in done]
                notices += _notice(f"in {share} could not be restored", failed)
            self._changed_at = self._unchanged_since = None
            return checkpoint, restored, notices

    async def close(self) -> None:
        """Wait for what has begun: half an undo is neither state."""
        while self._working:
            await asyncio.wait(self._working)

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin what goes on to its end where the call is cancelled."""
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, where nobody waits for it any more

    def _not_changed(self, task: asyncio.Task[list[str]]) -> None:
        if not task.cancelled() and task.exception() is None:
            self.after_change()

    async def _before_change(self) -> list[str]:
        async with self._lock:
            notices = (await self._make(""))[1] if self._batch_begins() and not self.running else []
            self.running += 1
            self._unchanged_since = None
            return notices

    def _batch_begins(self) -> bool:
        if self._unchanged_since is not None and self.now() <= self._unchanged_since + BATCH:
            return False  # the client has just made one
        return self._changed_at is None or self.now() > self._changed_at + BATCH

    async def _make_named(self, name: str) -> tuple[Checkpoint, list[str]]:
        async with self._lock:
            if any(each.name == name for each in self.made):
                raise ToolFailure(f"name: there is a checkpoint {name!r} already")
            return await self._make(name)

    async def _make(self, name: str) -> tuple[Checkpoint, list[str]]:
        self._count += 1
        name = name or f"auto-{self._count}"
        last = self.made[-1].listings if self.made else {}
        listings = {share: await self._kept(share, last.get(share, EMPTY)) for share in self.shares}
        checkpoint = Checkpoint(name, listings)
        notices: list[str] = []
        for share, found in listings.items():
            unkept = [path for path, each in found.entries.items() if not each.kept]
            notices += _notice(f"in {share} are not kept, as they are too large or not readable", unkept)
        if self.machine is not None:
            tag = f"{self.tag_prefix}-{self._count}"
            try:
                await self.machine.take(tag)
                checkpoint.tag = tag
            except ToolFailure as error:
                notices.append(f"the checkpoint {name} has no machine: {error}")
        self.made.append(checkpoint)
        self._discard(self.made[:-KEPT])
        del self.made[:-KEPT]
        self.store.sweep(self._used())
        self._unchanged_since = self.now()
        return checkpoint, notices

    def _discard(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Delete their snapshots. Those that are there in the end are deleted with the server's claim."""
        tags = [each.tag for each in checkpoints if each.tag]
        if tags and self.machine is not None:
            self.machine.discard(tags)

    def _used(self) -> set[str]:
        return {
            entry.content
            for checkpoint in self.made
            for one in checkpoint.listings.values()
            for entry in one.entries.values()
        }

    async def _kept(self, share: Path, known: Listing) -> Listing:
        try:
            return await asyncio.to_thread(kept_listing, share, known, time.time_ns(), self.store.keep)
        except (CallaoError, OSError) as error:
            raise ToolFailure(f"no checkpoint: {error}") from error

    async def _compared(self, share: Path, known: Listing) -> Listing:
        try:
            return await asyncio.to_thread(compared_listing, share, known, time.time_ns())
        except (CallaoError, OSError) as error:
            raise ToolFailure(f"{share} cannot be compared with the checkpoint: {error}") from error

    def _restore(self, share: Path, wanted: Listing, present: Listing) -> tuple[list[str], list[str]]:
        try:
            return self.store.restore(share, wanted, present)
        except OSError as error:
            raise ToolFailure(f"{share} cannot be restored: {error}") from error

    def _find(self, name: str) -> Checkpoint:
        if not self.made:
            raise ToolFailure("there is no checkpoint yet; one is made before each change")
        if not name:
            return self.made[-1]
        found = next((each for each in self.made if each.name == name), None)
        if found is None:
            names = ", ".join(each.name for each in self.made)
            raise ToolFailure(f"checkpoint: there is no {name!r} (allowed: {names})")
        return found


def _notice(what: str, paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    shown = ", ".join(printable(each) for each in paths[:_SHOWN])
    return [f"{len(paths)} entries {what}: {shown}{', …' if len(paths) > _SHOWN else ''}"]
