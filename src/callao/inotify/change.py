# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of files, and their paths in the guest. Everything but :func:`stamp_of` is pure."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


class Kind(enum.StrEnum):
    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"


@dataclass(frozen=True)
class Shared:
    """One shared directory: the host's location and the guest's mount point, both absolute."""

    location: str
    mount_point: str

    def __post_init__(self) -> None:
        """Removes trailing slashes, because paths are compared as text."""
        object.__setattr__(self, "location", os.path.normpath(self.location))
        object.__setattr__(self, "mount_point", os.path.normpath(self.mount_point))


@dataclass(frozen=True)
class Change:
    """One changed path. ``source`` is the host's path, ``name`` is relative to the mount point."""

    kind: Kind
    source: str
    mount_point: str
    name: str

    @property
    def path(self) -> str:
        """The guest's path."""
        return join_path(self.mount_point, self.name) if self.name else self.mount_point


@dataclass(frozen=True)
class Stamp:
    """A file's metadata that a touch in the guest does not change: distinguishes changes from echoes. Times
    are in ns.
    """

    mode: int
    mtime: int
    size: int
    inode: int
    owner: tuple[int, int]
    atime: int = 0


def join_path(folder: str, name: str) -> str:
    """Join two paths; faster than pathlib, because there may be many events at once."""
    return f"{folder.rstrip('/')}/{name}"


def within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def shares_of(path: str, shares: Iterable[Shared]) -> list[Shared]:
    """The shares that a host's path belongs to: those with the longest location that holds it.

    Several only when one location has several mount points.
    """
    holding = [share for share in shares if within(path, share.location)]
    longest = max((len(share.location) for share in holding), default=0)
    return [share for share in holding if len(share.location) == longest]


def guest_changes(kind: Kind, path: str, shares: Iterable[Shared]) -> list[Change]:
    """The guest's changes for a changed path on the host; none outside all locations."""
    return [
        Change(kind, path, share.mount_point, path[len(share.location) :].lstrip("/"))
        for share in shares_of(path, shares)
    ]


def parent_folders(kinds: Mapping[str, Kind], locations: Iterable[str]) -> set[str]:
    """The folders of created and deleted files: in the guest, these are touched, too."""
    places = tuple(locations)
    folders = {path.rpartition("/")[0] or "/" for path, kind in kinds.items() if kind is not Kind.MODIFIED}
    return {folder for folder in folders if any(within(folder, place) for place in places)}


def merge_kinds(earlier: Kind | None, later: Kind) -> Kind:
    """Merge two changes of one path: a file that was created and then written counts as created."""
    return Kind.ADDED if earlier is Kind.ADDED and later is Kind.MODIFIED else later


def stamp_of(path: str) -> Stamp | None:
    """The stamp of a path, without following a link; None when it does not exist or is not accessible."""
    try:
        state = os.lstat(path)
    except (OSError, ValueError):
        return None
    owner = (state.st_uid, state.st_gid)
    return Stamp(state.st_mode, state.st_mtime_ns, state.st_size, state.st_ino, owner, state.st_atime_ns)
