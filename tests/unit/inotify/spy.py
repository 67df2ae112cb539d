# SPDX-License-Identifier: GPL-3.0-or-later
"""A watcher as there may be one in the guest, and the guest's side as a process of this host."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from support.waiting import until

from callao.inotify import Shared, Watcher, guest_command, relay

MODIFY, ATTRIB, CLOSE_WRITE, OPEN, CREATE, DELETE = 0x2, 0x4, 0x8, 0x20, 0x100, 0x200
ALL = MODIFY | ATTRIB | CLOSE_WRITE | OPEN | CREATE | DELETE | 0xC0
NAMES = {MODIFY: "MODIFY", ATTRIB: "ATTRIB", CLOSE_WRITE: "CLOSE_WRITE", OPEN: "OPEN"}
WRITTEN = {"ATTRIB", "MODIFY", "OPEN", "CLOSE_WRITE"}


class Spy:
    """Watches folders by inotify and counts (event, path); a folder's own events have its path."""

    def __init__(self, *folders: Path, mask: int = ALL) -> None:
        self._libc = ctypes.CDLL(None)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK)
        self._folders = {
            self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask): os.fsencode(folder)
            for folder in folders
        }
        self.seen: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> Spy:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def look(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while raw := os.read(self._descriptor, 1 << 16):
                place = 0
                while place < len(raw):
                    watch, mask, _, length = struct.unpack_from("iIII", raw, place)
                    assert not mask & 0x4000, "the test's own queue has overflown"
                    name = raw[place + 16 : place + 16 + length].rstrip(b"\0")
                    place += 16 + length
                    folder = self._folders[watch]
                    path = os.fsdecode(folder + b"/" + name if name else folder)
                    self.seen[NAMES.get(mask & 0xFFFF, hex(mask & 0xFFFF)), path] += 1

    def forget(self) -> None:
        """Leave out what the host's own change shows; without an await in between, it is all there."""
        self.look()
        self.seen.clear()

    def of(self, path: Path | str) -> set[str]:
        return {event for event, seen in self.seen if seen == str(path)}

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(lambda: (self.look(), condition())[1])


async def guest(*file_systems: str) -> asyncio.subprocess.Process:
    """The guest's side, allowed to touch any file system."""
    return await asyncio.create_subprocess_shell(
        "exec " + guest_command(sys.executable, file_systems or ["*"]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


def same(*folders: Path) -> Iterable[Shared]:
    """A folder as both location and mount point: the stand-in for a share."""
    return [Shared(str(folder), str(folder)) for folder in folders]


@contextlib.asynccontextmanager
async def relayed(*folders: Path, spawn=guest) -> AsyncIterator[Watcher]:
    async with Watcher(same(*folders)) as watcher:
        task = asyncio.create_task(relay(watcher, spawn, pause=0.01))
        try:
            yield watcher
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
