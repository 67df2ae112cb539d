# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads inotify events of the shared directories. Synchronous; used by one thread at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from callao.inotify.change import Change, Kind, Shared, join_path, merge_kinds, shares_of
from callao.inotify.echo_filter import EchoFilter, confirmed_changes
from callao.inotify.folders import Folders
from callao.inotify.kernel import Event, Flag, Inotify

BATCH = 1_000
"""Changes in one batch at most."""

_MAX_PENDING = 100_000
"""Changed paths that are kept; beyond, they are found by a walk, as after an overflow of the kernel's
queue."""

_CLOCK_MARGIN = 50_000_000
"""ns: the kernel's file timestamps come from a coarse clock, which is behind time.time_ns()."""

_APPEARED = Flag.CREATE | Flag.MOVED_TO
_DISAPPEARED = Flag.DELETE | Flag.MOVED_FROM


def _now() -> int:
    return time.time_ns() - _CLOCK_MARGIN


@dataclass
class _Root:
    """``known`` is the time at which the location was last seen, or was added."""

    identity: tuple[int, int] | None = None
    known: int = field(default_factory=_now)


class Tree:
    """Watches all locations by one inotify queue. ``echoes`` recognizes echoes of the guest's touches."""

    def __init__(self, echoes: EchoFilter) -> None:
        self._told = echoes
        self._kernel = Inotify()
        self._folders = Folders(self._kernel)
        self._roots: dict[str, _Root] = {}
        self._shares: tuple[Shared, ...] = ()
        self._pending_changes: dict[str, Kind] = {}
        self._lost = False
        self._complete = _now()  # all up to this time has been read

    def fileno(self) -> int:
        return self._kernel.fileno()

    def close(self) -> None:
        self._kernel.close()

    @property
    def lacks_watches(self) -> bool:
        """Whether some folders could not be watched, so that :meth:`request_walk` has to be called."""
        return self._folders.lacks_watches

    def add(self, share: Shared) -> None:
        """Watch a location from now on; it need not exist yet."""
        if share not in self._shares:
            self._shares += (share,)
        if share.location not in self._roots:
            self._roots[share.location] = root = _Root()
            self._enter(share.location, root, None)

    def remove(self, share: Shared) -> None:
        self._shares = tuple(each for each in self._shares if each != share)
        if not any(each.location == share.location for each in self._shares):
            self._roots.pop(share.location, None)
        self._folders.forget_if(lambda path: not shares_of(path, self._shares))

    def request_walk(self) -> None:
        """Let the next :meth:`take` search for changes for which there was no event."""
        self._lost = True

    def read(self) -> None:
        """Read the kernel's events."""
        started = _now()
        while events := self._kernel.read():
            for event in events:
                self._note(event)
            if len(self._pending_changes) > _MAX_PENDING:
                self._pending_changes.clear()
                self._lost = True
        if not self._lost and not self.lacks_watches:
            self._complete = started

    def take(self) -> Iterator[tuple[Change, ...]]:
        """The changes since the last call, in batches."""
        self._revisit()
        heap, self._pending_changes = self._pending_changes, {}
        yield from self._settled(heap)
        if not self._lost:
            return
        self._lost = self._folders.lacks_watches = False
        since, self._complete = self._complete, _now()
        # When stamps were forgotten, ctime would find the guest's own touches, again and again.
        found = (
            path
            for location in list(self._roots)
            for path in self._folders.walk(location, since, content_only=self._told.forgetful)
        )
        while some := dict.fromkeys(islice(found, BATCH), Kind.MODIFIED):
            yield from self._settled(some)

    def _note(self, event: Event) -> None:
        if event.flags & Flag.Q_OVERFLOW:
            self._lost = True
        for folder in self._folders.of(event.watch):
            path = join_path(folder, event.name) if event.name else folder
            self._gather(path, _kind(event.flags))
            if event.flags & Flag.ISDIR and event.flags & Flag.MOVED_FROM:
                self._folders.forget_below(path)
            if event.flags & Flag.ISDIR and event.flags & _APPEARED:
                # Files may have been created in it before it was watched.
                for inner in self._folders.walk(path, self._complete):
                    self._gather(inner, Kind.ADDED)
        if event.flags & Flag.IGNORED:
            self._folders.watch_removed(event.watch)

    def _gather(self, path: str, kind: Kind) -> None:
        self._pending_changes[path] = merge_kinds(self._pending_changes.get(path), kind)

    def _settled(self, kinds: dict[str, Kind]) -> Iterator[tuple[Change, ...]]:
        changes = confirmed_changes(kinds, tuple(self._roots), self._shares, self._told)
        while batch := tuple(islice(changes, BATCH)):
            yield batch

    def _revisit(self) -> None:
        """Find locations that have disappeared, and watch those that exist again."""
        for location, root in self._roots.items():
            now = _now()
            there = root.identity is not None and root.identity == _identity(location)
            # A new folder may have the same inode number; without watches the two cannot be distinguished.
            if there and (location in self._folders or self.lacks_watches):
                root.known = now
                continue
            if root.identity is not None:
                self._folders.forget_below(location)
            self._enter(location, root, root.known)

    def _enter(self, location: str, root: _Root, since: int | None) -> None:
        root.identity = _identity(location)
        if root.identity is not None:
            for path in self._folders.walk(location, since):
                self._gather(path, Kind.ADDED)


def _kind(flags: int) -> Kind:
    return Kind.ADDED if flags & _APPEARED else Kind.DELETED if flags & _DISAPPEARED else Kind.MODIFIED


def _identity(location: str) -> tuple[int, int] | None:
    try:
        state = Path(location).stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
