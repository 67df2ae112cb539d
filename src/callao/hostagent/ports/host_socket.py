# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a ``hostSocket``, at whose path another program may listen."""

from __future__ import annotations

import contextlib
from pathlib import Path

from callao import system
from callao.errors import AgentError


def remove_stale_socket(path: Path) -> None:
    """Remove the socket file of an earlier run, because bind(2) fails where a file exists.

    :raises AgentError: when a program listens on it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.is_socket():
        return
    with system.unix_socket() as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:  # a program listens, and is busy, or does not allow this user to connect
            pass
    raise AgentError(
        f"hostSocket: another program listens on {path}.", hint="Choose another path, or stop that program."
    )


def file_identity(path: Path) -> tuple[int, int]:
    """Identifies the file, to distinguish it from one that another program has put in its place."""
    status = path.stat()
    return status.st_dev, status.st_ino


def remove_socket(path: Path, expected: tuple[int, int]) -> None:
    """Remove the socket file, unless another program has replaced it."""
    with contextlib.suppress(OSError):
        if file_identity(path) == expected:
            path.unlink()
