# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters echoes: events on the host that are caused by touches in the guest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from callao.inotify.change import Change, Kind, Shared, Stamp, guest_changes, parent_folders, stamp_of

CAPACITY = 1 << 17
"""Paths that are remembered. An echo arrives within a few batches of at most a thousand paths each."""


class EchoFilter:
    """Remembers the stamps that were sent to the guest; beyond ``capacity``, the oldest are forgotten."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._stamps: OrderedDict[str, int] = OrderedDict()
        self.forgetful = False
        """Whether a stamp has been forgotten, so that an unknown one may be an echo's."""

    def remember(self, path: str, stamp: Stamp) -> None:
        """Remember a stamp; call this before it is sent, because an echo may precede the guest's answer."""
        self._stamps[path] = _digest(stamp)
        self._stamps.move_to_end(path)
        if len(self._stamps) > self._capacity:
            self._stamps.popitem(last=False)
            self.forgetful = True

    def is_echo(self, path: str, stamp: Stamp) -> bool:
        return self._stamps.get(path) == _digest(stamp)


def confirmed_changes(
    kinds: Mapping[str, Kind], locations: Sequence[str], shares: Sequence[Shared], told: EchoFilter
) -> Iterator[Change]:
    """The changes for observed events, with the present state of each path, and without echoes."""
    folders = parent_folders(kinds, locations)
    for path, kind in {**dict.fromkeys(folders, Kind.MODIFIED), **kinds}.items():
        stamp = stamp_of(path)
        if stamp is None:
            yield from guest_changes(Kind.DELETED, path, shares)
        elif kind is Kind.DELETED:
            yield from guest_changes(Kind.ADDED, path, shares)
        elif kind is Kind.ADDED or path in folders or not told.is_echo(path, stamp):
            yield from guest_changes(kind, path, shares)


def _digest(stamp: Stamp) -> int:
    """A hash of a stamp, without the access time, which reading changes."""
    return hash(replace(stamp, atime=0))
