# SPDX-License-Identifier: GPL-3.0-or-later
"""Children that end when their parent does, however that ends."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""prctl(2)."""

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
"""Loaded before any fork: a child between fork and exec must not."""


def die_with_parent() -> None:
    """For ``preexec_fn``: the kernel kills this process when the thread that forked it ends.

    Only Linux has it; elsewhere the parent's own clean-up has to do. Fork from the main thread:
    it ends last.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
