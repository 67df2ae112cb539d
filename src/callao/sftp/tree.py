# SPDX-License-Identifier: GPL-3.0-or-later
"""The served directory, and path resolution that cannot leave it.

Each component is opened relative to the directory before it, and never through a symlink
(openat(2), O_NOFOLLOW), so the kernel refuses a directory that is replaced by a link between two steps, and
there is no race between check and use. Links are followed by reading their target and resolving it from
here, as openat2(2) does for RESOLVE_BENEATH; that call is not used, because macOS lacks it.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from callao.sftp.paths import client_components, components, os_error, relative_to_root

PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY)
"""Opens a path without access to its content; macOS lacks O_PATH and opens for reading."""

_STEP = PATH_ONLY | os.O_DIRECTORY | os.O_NOFOLLOW

_MAX_SYMLINKS = 40
"""In one path, as Linux has it: path_resolution(7)."""


@dataclass(frozen=True)
class OpenatPath:
    """A name relative to an open directory, as for openat(2); ``.`` is that directory itself."""

    parent: int
    name: str

    def writable_entry(self) -> OpenatPath:
        """This path, if it may be created, moved or removed: the root may not.

        :raises PermissionError: for the root.
        """
        if self.name == ".":
            raise os_error(errno.EACCES)
        return self

    def stat(self) -> os.stat_result:
        """lstat: of a link, the link itself."""
        return os.stat(self.name, dir_fd=self.parent, follow_symlinks=False)

    @contextlib.contextmanager
    def open_path_only(self, flags: int = PATH_ONLY) -> Iterator[int]:
        """A descriptor of the file or link itself."""
        descriptor = os.open(self.name, flags | os.O_NOFOLLOW, dir_fd=self.parent)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def open_regular(self, flags: int, mode: int = 0) -> int:
        """A regular file's descriptor; devices, sockets and pipes are refused.

        The type is checked before the file is opened, because opening a device has effects, and again after,
        because the file may have been replaced in between; O_NONBLOCK prevents that a pipe blocks the
        server.
        """
        with contextlib.suppress(FileNotFoundError):
            _regular(self.stat())
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
        descriptor = os.open(self.name, flags, mode, dir_fd=self.parent)
        try:
            _regular(os.fstat(descriptor))
        except OSError:
            os.close(descriptor)
            raise
        return descriptor


class Tree:
    """The root directory, which stays open: a directory that takes its path later is not served."""

    def __init__(self, root: str, *, follow: bool = False) -> None:
        self.root = "/" + "/".join(components(root))
        self._follow = follow
        self._fd = os.open(root, PATH_ONLY | os.O_DIRECTORY)
        # Absolute links in the tree may use the given or the resolved path.
        self._roots = (components(root), components(os.path.realpath(root)))

    @contextlib.contextmanager
    def place(self, path: str, *, follow_last: bool = False) -> Iterator[OpenatPath]:
        """Resolve a client's path; the result is valid inside the ``with``.

        :param follow_last: follow a link in the last position too, where links are followed at all.
        """
        held: list[int] = []
        try:
            yield self._walk(
                client_components(path, self._roots), held, follow_last=follow_last and self._follow
            )
        finally:
            for descriptor in held:
                os.close(descriptor)

    def _walk(self, names: tuple[str, ...], held: list[int], *, follow_last: bool) -> OpenatPath:
        todo = list(reversed(names))
        links = 0
        while todo:
            here = held[-1] if held else self._fd
            name = todo.pop()
            if name == "..":  # only ever from a link's text
                if not held:
                    raise os_error(errno.EACCES)
                os.close(held.pop())
                continue
            if not todo and not follow_last:
                return OpenatPath(here, name)
            text = self._step(here, name, held, last=not todo)
            if text is None:
                if not todo:
                    return OpenatPath(here, name)
                continue
            links += 1
            if links > _MAX_SYMLINKS:
                raise os_error(errno.ELOOP)
            if text.startswith("/"):
                todo += reversed(relative_to_root(text, self._roots))
                while held:
                    os.close(held.pop())
            else:
                todo += reversed(components(text))
        return OpenatPath(held[-1] if held else self._fd, ".")

    def _step(self, here: int, name: str, held: list[int], *, last: bool) -> str | None:
        """Enter a directory, or return a link's text; the last component is not entered."""
        if not last:
            try:
                held.append(os.open(name, _STEP, dir_fd=here))
            except OSError as error:
                if not self._follow or error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
            else:
                return None
        try:
            return os.readlink(name, dir_fd=here)
        except FileNotFoundError:
            if last:
                return None  # this request may create it
            raise
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            if last:
                return None
            raise os_error(errno.ENOTDIR) from error


def _regular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise os_error(errno.EACCES)
