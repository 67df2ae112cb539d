# SPDX-License-Identifier: GPL-3.0-or-later
"""The tool glob."""

import sys

assert sys.platform == "linux"

import os
import stat

from callao.mcp.worker.confinement import Confinement
from callao.mcp.worker.failure import ToolError, os_failure, shown
from callao.mcp.worker.files import MAX_ENTRIES, shortened
from callao.mcp.worker.wildcard import Wildcard

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Opens a directory, and no link to one."""

_RECURSIVE = None
"""The part ``**`` of a pattern: any number of directories."""


def glob(pattern: str, base: bytes, confinement: Confinement) -> "tuple[dict[str, object], list[str]]":
    """Paths below ``base`` that match; ``**`` matches any number of directories, links not followed."""
    if "\0" in pattern:
        raise ToolError("pattern: has a NUL character")
    names = [each for each in pattern.split("/") if each not in ("", ".")]
    if ".." in names:
        raise ToolError(f"pattern: {pattern!r}: '..' is not allowed; name the directory in path")
    parts = []  # type: list[Wildcard | None]
    for name in names:
        if name != "**":
            parts.append(Wildcard(name))
        elif not parts or parts[-1] is not _RECURSIVE:
            parts.append(_RECURSIVE)
    with confinement.locate(base) as place:
        try:
            descriptor = place.open_directory()
        except OSError as error:
            raise os_failure(error, base) from error
        search = _Search(parts, confinement)
        try:
            search.directory(descriptor, _as_given(base, place.path), 0)
        except _EnoughError:
            pass
        finally:
            os.close(descriptor)
    found = shortened(sorted(search.found))
    cut = len(search.found) >= MAX_ENTRIES or len(found) < len(search.found)
    notices = [f"cut: the first {len(found)} matches"] if cut else []
    return {"matches": [shown(each) for each in found]}, notices


def _as_given(base: bytes, resolved: bytes) -> bytes:
    """The client's own path of the base, without a slash at its end."""
    names = [each for each in base.split(b"/") if each not in (b"", b".")]
    return resolved.rstrip(b"/") if b".." in names else b"".join(b"/" + name for name in names)


class _EnoughError(Exception):
    """The limit of matches is reached."""


class _Search:
    def __init__(self, parts: "list[Wildcard | None]", confinement: Confinement) -> None:
        self.parts = parts
        self.confinement = confinement
        self.found = set()  # type: set[bytes]
        self.visited = set()  # type: set[tuple[bytes, int]]

    def directory(self, descriptor: int, path: bytes, index: int) -> None:
        """Match the parts from ``index`` on in an open directory."""
        if index >= len(self.parts) or (path, index) in self.visited:
            return
        self.visited.add((path, index))
        part = self.parts[index]
        last = index == len(self.parts) - 1
        if part is _RECURSIVE and not last:
            self.directory(descriptor, path, index + 1)
        for name in sorted(map(os.fsencode, os.listdir(descriptor))):
            child = path + b"/" + name
            if part is _RECURSIVE:
                if last:
                    self.add(child)
                self.enter(descriptor, name, child, index)
            elif part is not None and part.matches(shown(name)):
                if last:
                    self.add(child)
                elif not self.enter(descriptor, name, child, index + 1):
                    self.follow(descriptor, name, child, index + 1)

    def add(self, path: bytes) -> None:
        self.found.add(path)
        if len(self.found) >= MAX_ENTRIES:
            raise _EnoughError

    def enter(self, parent: int, name: bytes, path: bytes, index: int) -> bool:
        """Go on in a directory; returns False for anything else."""
        try:
            descriptor = os.open(name, DIRECTORY, dir_fd=parent)
        except OSError:
            return False
        try:
            self.directory(descriptor, path, index)
        except OSError:  # it may not be listed
            pass
        finally:
            os.close(descriptor)
        return True

    def follow(self, parent: int, name: bytes, path: bytes, index: int) -> None:
        """Go on in the directory that a link leads to, if that is inside of the roots."""
        try:
            if not stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                return
            with self.confinement.locate(path) as place:
                descriptor = place.open_directory()
                try:
                    self.directory(descriptor, path, index)
                finally:
                    os.close(descriptor)
        except (OSError, ToolError):
            pass
