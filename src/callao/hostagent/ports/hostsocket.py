# SPDX-License-Identifier: GPL-3.0-or-later
"""A ``hostSocket``: a path at which another program may listen already, or by now."""

from __future__ import annotations

import contextlib
from pathlib import Path

from callao import system
from callao.errors import AgentError


def make_way(path: Path) -> None:
    """Remove the socket of an earlier run, since nobody binds over it.

    :raises AgentError: when somebody listens on it, whoever that is.
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
        except OSError:  # it listens, and is busy, or not ours to talk to
            pass
    raise AgentError(
        f"hostSocket: another program listens on {path}.", hint="Choose another path, or stop that program."
    )


def identity(path: Path) -> tuple[int, int]:
    """What tells a socket from one that another program has put in its place."""
    status = path.stat()
    return status.st_dev, status.st_ino


def remove(path: Path, ours: tuple[int, int]) -> None:
    """Remove our socket, where it still is ours."""
    with contextlib.suppress(OSError):
        if identity(path) == ours:
            path.unlink()
