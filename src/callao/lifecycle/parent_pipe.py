# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipe that makes a host agent end with the process that started it, even when that is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def parent_pipe() -> Iterator[int]:
    """Yield the read end for the host agent. It reads end-of-file when this process closes the other end or
    ends."""
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)
