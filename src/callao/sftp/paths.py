# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses a client's paths, without the file system."""

from __future__ import annotations

import errno
import os


def components(path: str) -> tuple[str, ...]:
    """The names in a path; empty ones and ``.`` name nothing."""
    return tuple(name for name in path.split("/") if name not in ("", "."))


def relative_to_root(path: str, roots: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """What follows the root's own path in an absolute one.

    :raises PermissionError: when it does not begin with any of the roots.
    """
    names = components(path)
    if path.startswith("/"):
        for root in roots:
            if names[: len(root)] == root:
                return names[len(root) :]
    raise os_error(errno.EACCES)


def client_components(path: str, roots: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The components of a client's path, in which ``..`` is refused.

    sshfs never sends one, as the guest's kernel has resolved it; collapsing it here would be wrong
    behind a symlink.
    """
    if "\0" in path:
        raise os_error(errno.EINVAL)
    names = relative_to_root(path, roots)
    if ".." in names:
        raise os_error(errno.EACCES)
    return names


def os_error(number: int) -> OSError:
    """The OSError of an errno, of the class that Python gives it."""
    return OSError(number, os.strerror(number))
