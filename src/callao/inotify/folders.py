# SPDX-License-Identifier: GPL-3.0-or-later
"""The watched folders, and the walk that adds watches and finds missed changes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from callao.inotify.change import within
from callao.inotify.kernel import Inotify


class Folders:
    """Maps inotify watches to folders. A watch has several paths where a bind mount shows a folder twice."""

    def __init__(self, kernel: Inotify) -> None:
        self._kernel = kernel
        self._paths: dict[int, list[str]] = {}
        self._watches: dict[str, int] = {}
        self.lacks_watches = False
        """Whether the user's watches (sysctl fs.inotify.max_user_watches) did not suffice."""

    def __contains__(self, path: str) -> bool:
        return path in self._watches

    def of(self, watch: int) -> tuple[str, ...]:
        return tuple(self._paths.get(watch, ()))

    def watch(self, path: str, *, follow: bool = False) -> None:
        """Watch one folder; does nothing for a folder that does not exist or is not readable."""
        try:
            number = self._kernel.watch(path, follow=follow)
        except OSError as error:
            self.lacks_watches = self.lacks_watches or error.errno in (errno.ENOSPC, errno.ENOMEM)
            return
        if self._watches.get(path) != number:
            self.forget(path)
            self._watches[path] = number
            self._paths.setdefault(number, []).append(path)

    def forget(self, path: str) -> None:
        number = self._watches.pop(path, None)
        if number is None:
            return
        self._paths[number].remove(path)
        if not self._paths[number]:
            del self._paths[number]
            self._kernel.unwatch(number)

    def forget_below(self, top: str) -> None:
        self.forget_if(lambda path: within(path, top))

    def forget_if(self, unwanted: Callable[[str], bool]) -> None:
        for path in [path for path in self._watches if unwanted(path)]:
            self.forget(path)

    def watch_removed(self, watch: int) -> None:
        """The kernel has dropped a watch: its folder is deleted, or its file system unmounted."""
        for path in self._paths.pop(watch, []):
            if self._watches.get(path) == watch:
                del self._watches[path]

    def walk(self, top: str, since: int | None, *, content_only: bool = False) -> Iterator[str]:
        """Watch a folder and all folders below it; yields the paths that have changed.

        Each folder is watched before it is listed, so that no change is missed. Symlinks are not followed,
        because a link to ``/`` would include the whole host.

        :param since: ns since the epoch; paths with a later ctime are yielded. None yields nothing.
        :param content_only: compare mtime, because a touch in the guest changes ctime.
        """

        def recent(state: os.stat_result) -> bool:
            newest = state.st_mtime_ns if content_only else state.st_ctime_ns
            return since is not None and newest >= since

        stack = [top]
        try:
            if since is not None and recent(Path(top).stat()):
                yield top
        except OSError:
            return
        while stack:
            folder = stack.pop()
            self.watch(folder, follow=folder == top)
            for entry in _listed(folder):
                try:
                    if since is not None and recent(entry.stat(follow_symlinks=False)):
                        yield entry.path
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                except OSError:
                    continue


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
