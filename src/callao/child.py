# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that the kernel kills when their parent ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
"""prctl(2)."""

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
"""Loaded before any fork: a child between fork and exec must not."""


def die_with_parent() -> Callable[[], None]:
    """A ``preexec_fn``: the kernel kills the child when the thread that forked it ends.

    Only Linux has it; elsewhere the parent's own clean-up has to do. Fork from the main thread:
    it ends last.
    """
    parent = os.getpid()

    def bind() -> None:
        if _LIBC is None:
            return
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended between the fork and our request: no signal will come
            os._exit(1)

    return bind
