# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves paths inside the directories that the server may use, its roots.

Each component is opened relative to the directory before it, and never through a symlink; links are read
and resolved here. What the walk ends at stays open (``O_PATH``), and is read or written through that
descriptor. So a component that is replaced by a link between check and use cannot lead out of the roots.
No descriptor outlives the call: an open one would keep a shared directory from being unmounted.
"""

import sys

assert sys.platform == "linux"

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from callao.mcp.worker.failure import ToolError, os_failure, shown

_PIN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40
"""In one path, as Linux has it: path_resolution(7)."""

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


class OutsideError(ToolError):
    """The path is not below a root."""


class Place:
    """Where a walk has ended; valid while its context is.

    :param parent: the descriptor of the directory that has the entry.
    :param name: the entry's name in it; ``.`` for the root directory.
    :param pinned: the entry's own descriptor; None if it does not exist.
    :param path: the entry's path, without links.
    """

    def __init__(self, parent: int, name: bytes, pinned: "int | None", path: bytes) -> None:
        self.parent = parent
        self.name = name
        self.pinned = pinned
        self.path = path

    def status(self) -> os.stat_result:
        """:raises FileNotFoundError: when the entry does not exist."""
        if self.pinned is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return os.fstat(self.pinned)

    def open_directory(self) -> int:
        """A descriptor by which the directory can be listed; the caller closes it.

        :raises ToolError: for anything but a directory.
        """
        if not stat.S_ISDIR(self.status().st_mode):
            raise ToolError(f"{shown(self.path)}: not a directory")
        return self._reopen(os.O_RDONLY | os.O_DIRECTORY)

    def open_file(self, flags: int) -> int:
        """A descriptor of an existing regular file; the caller closes it.

        :raises ToolError: for a directory, device, socket or FIFO: opening one may have effects or block.
        """
        kind = stat.S_IFMT(self.status().st_mode)
        if kind != stat.S_IFREG:
            raise ToolError(f"{shown(self.path)}: not a regular file (it is {_KINDS.get(kind, 'special')})")
        return self._reopen(flags)

    def create_file(self) -> int:
        """A descriptor of a new file.

        :raises FileExistsError: when there is one by now.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.name, flags, 0o666, dir_fd=self.parent)

    def _reopen(self, flags: int) -> int:
        """Open the very inode that was checked; proc(5), ``/proc/PID/fd``."""
        return os.open(f"/proc/self/fd/{self.pinned}", flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


class Confinement:
    """The roots of one call, by device and inode: a path is inside if it passes through one of them."""

    def __init__(self, roots: "list[bytes]") -> None:
        self.roots = roots
        self._identities = set()  # type: set[tuple[int, int]]
        for root in roots:
            with contextlib.suppress(OSError):  # one that is not mounted now
                self._identities.add(_identity(os.stat(root)))  # noqa: PTH116 - bytes

    def is_root(self, status: os.stat_result) -> bool:
        return _identity(status) in self._identities

    @contextlib.contextmanager
    def locate(self, path: bytes, create_parents: bool = False) -> "Iterator[Place]":
        """Resolve an absolute path, links included.

        :param create_parents: whether missing directories on the way are made.
        :raises ToolError: when it is outside, or cannot be resolved.
        """
        walk = _Walk(self, path, create_parents)
        try:
            try:
                place = walk.run()
            except OSError as error:
                walk.require_inside()
                raise os_failure(error, path) from error
            walk.require_inside()
            yield place
        finally:
            walk.close()


class _Walk:
    """One path's resolution: the directories on the way, from ``/`` on, are held open."""

    def __init__(self, confinement: Confinement, path: bytes, create_parents: bool) -> None:
        if b"\0" in path:
            raise ToolError("path: has a NUL character")
        self.confinement = confinement
        self.path = path
        self.create_parents = create_parents
        self.held = []  # type: list[int]
        self.names = []  # type: list[bytes]
        self.inside = []  # type: list[bool]
        self.pinned = None  # type: int | None

    def run(self) -> Place:
        self._enter(b"/", os.open(b"/", _PIN | os.O_DIRECTORY))
        todo = [each for each in reversed(self.path.split(b"/")) if each not in (b"", b".")]
        links = 0
        while todo:
            name = todo.pop()
            if name == b"..":
                self._leave()
                continue
            descriptor = self._open(name, last=not todo)
            if descriptor is None:
                return Place(self.held[-1], name, None, self._path(name))
            status = os.fstat(descriptor)
            if stat.S_ISLNK(status.st_mode):
                try:
                    target = os.readlink(b"", dir_fd=descriptor)
                finally:
                    os.close(descriptor)
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if target.startswith(b"/"):
                    while len(self.held) > 1:
                        self._leave()
                todo += [each for each in reversed(target.split(b"/")) if each not in (b"", b".")]
            elif stat.S_ISDIR(status.st_mode):
                self._enter(name, descriptor)
            elif todo:
                os.close(descriptor)
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            else:
                self.pinned = descriptor
                return Place(self.held[-1], name, descriptor, self._path(name))
        return Place(self.held[-1], b".", self.held[-1], self._path())

    def require_inside(self) -> None:
        """:raises OutsideError: where the walk has ended outside of the roots."""
        if not any(self.inside):
            allowed = ", ".join(map(shown, self.confinement.roots))
            raise OutsideError(
                f"{shown(self.path)}: outside of the directories that this server may use "
                f"(allowed: {allowed})"
            )

    def close(self) -> None:
        for descriptor in self.held:
            os.close(descriptor)
        self.held = []
        if self.pinned is not None:
            os.close(self.pinned)
            self.pinned = None

    def _open(self, name: bytes, last: bool) -> "int | None":
        """The descriptor of an entry or link; None for a last one that does not exist."""
        try:
            return os.open(name, _PIN, dir_fd=self.held[-1])
        except FileNotFoundError:
            if last:
                return None
            if not self.create_parents:
                raise
        self.require_inside()
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=self.held[-1])
        return os.open(name, _PIN, dir_fd=self.held[-1])

    def _enter(self, name: bytes, descriptor: int) -> None:
        self.held.append(descriptor)
        self.names.append(name)
        self.inside.append(self.confinement.is_root(os.fstat(descriptor)))

    def _leave(self) -> None:
        if len(self.held) > 1:
            os.close(self.held.pop())
            self.names.pop()
            self.inside.pop()

    def _path(self, *names: bytes) -> bytes:
        return b"/" + b"/".join([*self.names[1:], *names])


def _identity(status: os.stat_result) -> "tuple[int, int]":
    return status.st_dev, status.st_ino
