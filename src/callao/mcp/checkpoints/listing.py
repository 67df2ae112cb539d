# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists a directory of the host with its files' digests, which a guest changes at the same time.

A guest may replace any entry by a symlink at any time, so nothing is opened by its path or through a link.
It may also make as much as it likes: numbers, names, depths and sizes have limits.
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
MAX_NAMES = 64 << 20
"""Characters of all paths and links of a listing."""

MAX_DEPTH = 200
"""Directories in each other that are entered; each is held open."""

MAX_FILE = 256 << 20
"""Bytes of a file that is kept. A larger one is listed by its size and time alone."""

MAX_READ = 4 << 30
"""Bytes of all files of a listing that are kept; the others are listed by size and time."""

UNKEPT = "unkept:"
"""What the content of an entry begins with that is there, and cannot be restored: a file that is too large,
or not readable, or a directory that cannot be listed.
"""

_CHUNK = 1 << 20
_RACE = 100_000_000
"""Nanoseconds before a listing in which a file may have changed again without a new ctime."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


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

    @property
    def kept(self) -> bool:
        return not self.content.startswith(UNKEPT) or self.kind == "l"


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


def kept_listing(root: Path, known: Listing, taken: int, keep: Digest) -> Listing:
    """The present entries below ``root``, each file kept; one that has not changed since ``known`` is there.

    :raises CallaoError: when there are too many, or one cannot be kept.
    """
    return _listing(root, known, taken, lambda descriptor, _before: keep(descriptor))


def compared_listing(root: Path, known: Listing, taken: int) -> Listing:
    """The same to compare it with ``known``: what was not there then is not read.

    :raises CallaoError: when there are too many.
    """
    return _listing(
        root, known, taken, lambda descriptor, before: "" if before is None else digest_of(descriptor)
    )


def _listing(root: Path, known: Listing, taken: int, content: _Content) -> Listing:
    found = _Lister(root, known, content)
    top = os.open(root, _FOLDER)
    try:
        found.directory(top, "", 1)
    finally:
        os.close(top)
    return Listing(taken, found.entries)


_Content = Callable[[int, "Entry | None"], str]
"""The content of an open file, which was another entry before."""


class _Lister:
    def __init__(self, root: Path, known: Listing, content: _Content) -> None:
        self.entries: dict[str, Entry] = {}
        self._root = root
        self._known = known
        self._content = content
        self._names_left = MAX_NAMES
        self._read_left = MAX_READ

    def directory(self, descriptor: int, prefix: str, depth: int) -> None:
        """:raises OSError: for one that cannot be listed."""
        names: list[str] = []
        with os.scandir(descriptor) as entries:
            for each in entries:
                self._names_left -= len(prefix) + len(each.name)
                if self._names_left < 0 or len(self.entries) + len(names) >= MAX_ENTRIES:
                    raise CallaoError(
                        f"{self._root}: more than {MAX_ENTRIES} files, or too many long names; "
                        "no checkpoint can be made.",
                        hint="Share a smaller directory.",
                    )
                names.append(each.name)
        for name in sorted(names):
            path = prefix + name
            entry = self._entry(name, descriptor, path)
            if entry is None:
                continue
            self.entries[path] = entry
            if entry.kind == "d" and not self._entered(name, descriptor, path, depth):
                self.entries[path] = entry._replace(content=f"{UNKEPT}directory")

    def _entered(self, name: str, parent: int, path: str, depth: int) -> bool:
        if depth >= MAX_DEPTH:
            return False
        try:
            child = os.open(name, _FOLDER, dir_fd=parent)
        except OSError:
            return False
        try:
            self.directory(child, f"{path}/", depth + 1)
        except OSError:
            return False
        finally:
            os.close(child)
        return True

    def _entry(self, name: str, parent: int, path: str) -> Entry | None:
        """An entry; None for what is removed meanwhile, and for devices, FIFOs and sockets."""
        for _ in range(3):
            try:
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except OSError:
                return None
            try:
                if stat.S_ISDIR(found.st_mode):
                    return _made("d", found, "")
                if stat.S_ISLNK(found.st_mode):
                    target = os.readlink(name, dir_fd=parent)
                    self._names_left -= len(target)
                    return _made("l", found, target)
                return self._file(name, parent, path, found) if stat.S_ISREG(found.st_mode) else None
            except FileNotFoundError:  # replaced meanwhile, as editors do to save
                continue
            except OSError:  # not readable, or replaced by something else
                break
        return _made("f", found, f"{UNKEPT}unreadable")

    def _file(self, name: str, parent: int, path: str, found: os.stat_result) -> Entry:
        before = self._known.entries.get(path)
        made = _made("f", found, before.content if before else "")
        if before == made and before.kept and before.changed < self._known.taken - _RACE:
            self._read_left -= found.st_size
            return made
        descriptor = os.open(name, _FILE, dir_fd=parent)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError
            if found.st_size > min(MAX_FILE, self._read_left):
                return _made("f", found, f"{UNKEPT}{found.st_size}:{found.st_mtime_ns}")
            self._read_left -= found.st_size
            return _made("f", found, self._content(descriptor, before))
        finally:
            os.close(descriptor)


def _made(kind: str, found: os.stat_result, content: str) -> Entry:
    size = found.st_size if kind == "f" else 0
    mode = stat.S_IMODE(found.st_mode) if kind != "l" else 0
    return Entry(kind, mode, size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, content)


class Change(NamedTuple):
    """``what``: added, removed or changed."""

    path: str
    what: str


def changes(before: Listing, after: Listing) -> list[Change]:
    """What differs, sorted by path. What lies in a directory that one of them does not list is not known."""
    found = []
    unlisted = ""
    for path in sorted({*before.entries, *after.entries}, key=lambda each: each.split("/")):
        if unlisted and path.startswith(unlisted):
            continue
        old, new = before.entries.get(path), after.entries.get(path)
        if any(each is not None and each.kind == "d" and not each.kept for each in (old, new)):
            unlisted = f"{path}/"
        if old is None:
            found.append(Change(path, "added"))
        elif new is None:
            found.append(Change(path, "removed"))
        elif not old.same(new):
            found.append(Change(path, "changed"))
    return sorted(found)
