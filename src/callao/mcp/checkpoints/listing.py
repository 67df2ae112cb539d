# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists a directory of the host with its files' digests, which a guest changes at the same time.

A guest may replace any entry by a symlink at any time, so nothing is opened by its path or through a link.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from callao.errors import CallaoError

MAX_ENTRIES = 200_000
MAX_FILE = 256 << 20
"""Bytes of a file that is kept. A larger one is listed by its size and time alone."""

_CHUNK = 1 << 20
_RACE = 100_000_000
"""Nanoseconds before a listing in which a file may have changed again without a new ctime."""


class Entry(NamedTuple):
    """``kind``: ``f``, ``d`` or ``l``. ``content``: a file's digest, a link's target."""

    kind: str
    mode: int
    size: int
    modified: int
    changed: int
    inode: int
    content: str

    def same(self, other: Entry) -> bool:
        """Whether both are the same to a reader."""
        return self[:2] == other[:2] and self.content == other.content


class Listing(NamedTuple):
    """Entries by their path below the directory; ``taken``: when, in ns since 1970."""

    taken: int
    entries: Mapping[str, Entry]


EMPTY = Listing(0, {})

Digest = Callable[[int], str]
"""The digest of an open file."""


def digest_of(descriptor: int) -> str:
    """SHA-256 of the rest of an open file."""
    found = hashlib.sha256()
    while data := os.read(descriptor, _CHUNK):
        found.update(data)
    return found.hexdigest()


def listing(root: Path, known: Listing, taken: int, digest: Digest) -> Listing:
    """The present entries below ``root``; a file that has not changed since ``known`` is not read again.

    :raises CallaoError: when there are too many.
    """
    entries: dict[str, Entry] = {}
    for path, folders, files, parent in os.fwalk(root):
        prefix = os.path.relpath(path, root)
        for name in sorted([*folders, *files]):
            relative = name if prefix == "." else f"{prefix}/{name}"
            entry = _entry(name, parent, known, relative, digest)
            if entry is not None:
                entries[relative] = entry
        if len(entries) > MAX_ENTRIES:
            raise CallaoError(
                f"{root}: more than {MAX_ENTRIES} files; no checkpoint can be made.",
                hint="Share a smaller directory.",
            )
    return Listing(taken, entries)


def _entry(name: str, parent: int, known: Listing, relative: str, digest: Digest) -> Entry | None:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            return _made("d", found, "")
        if stat.S_ISLNK(found.st_mode):
            return _made("l", found, os.readlink(name, dir_fd=parent))
        if not stat.S_ISREG(found.st_mode):
            return None
        before = known.entries.get(relative)
        made = _made("f", found, before.content if before else "")
        if before is not None and made == before and before.changed < known.taken - _RACE:
            return made
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=parent)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return None
            large = found.st_size > MAX_FILE
            content = f"large:{found.st_size}:{found.st_mtime_ns}" if large else digest(descriptor)
            return _made("f", found, content)
        finally:
            os.close(descriptor)
    except OSError:  # removed or replaced meanwhile, or not readable
        return None


def _made(kind: str, found: os.stat_result, content: str) -> Entry:
    size = found.st_size if kind == "f" else 0
    mode = stat.S_IMODE(found.st_mode) if kind != "l" else 0
    return Entry(kind, mode, size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, content)


class Change(NamedTuple):
    """``what``: added, removed or changed."""

    path: str
    what: str


def changes(before: Listing, after: Listing) -> list[Change]:
    """What differs, sorted by path."""
    found = []
    for path in sorted({*before.entries, *after.entries}):
        old, new = before.entries.get(path), after.entries.get(path)
        if old is None:
            found.append(Change(path, "added"))
        elif new is None:
            found.append(Change(path, "removed"))
        elif not old.same(new):
            found.append(Change(path, "changed"))
    return found
