# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipe by which a host agent ends with the run that started it, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def parent_pipe() -> Iterator[int]:
    """The end that the host agent reads: it ends when ours is closed, by the kernel at the latest."""
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)
