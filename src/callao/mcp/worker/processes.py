# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a command with all that it has started, also what has left its session or runs by sudo."""

import sys

assert sys.platform == "linux"

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
"""prctl(2)."""

_GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL."""


class _Prctl:
    """prctl(2), loaded once: loading it takes longer than a short command."""

    function: "Callable[[int, int, int, int, int], int] | None" = None


def load_prctl() -> None:
    """Load it, so that the processes which are forked later have it."""
    try:
        import ctypes

        _Prctl.function = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):  # a Python without ctypes: orphans are not found then
        pass


def adopt_descendants() -> None:
    """Make this process the parent of orphaned descendants, and have it end with its own parent."""
    if _Prctl.function is not None:
        _Prctl.function(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _Prctl.function(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def end_descendants() -> None:
    """Terminate all descendants of this process, and kill those that stay."""
    deadline = time.monotonic() + _GRACE
    _signal_all(signal.SIGTERM)
    while _descendants() and time.monotonic() < deadline:
        time.sleep(0.02)
    for _ in range(50):  # one that forks while it is looked for is found in a later round
        if not _descendants():
            return
        _signal_all(signal.SIGKILL)
        time.sleep(0.02)


def _signal_all(number: int) -> None:
    refused = []
    for pid in _descendants():
        try:
            os.kill(pid, number)
        except PermissionError:
            refused.append(str(pid))
        except ProcessLookupError:
            pass
    if refused:  # commands that sudo runs as another user
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                ["sudo", "-n", "kill", f"-{int(number)}", *refused],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=5,
            )


def _descendants() -> "list[int]":
    """The live ones; those that have ended are reaped where they are our children."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                state, parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    parents[int(folder.name)] = int(parent)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    found = {os.getpid()}
    size = 0
    while size != len(found):
        size = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return sorted(found - {os.getpid()})
