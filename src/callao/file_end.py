# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the end of a file, such as that of a log which explains a failure."""

from __future__ import annotations

import os
from pathlib import Path


def read_end(path: Path, size: int) -> bytes:
    """The last ``size`` bytes at most; none where the file cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size)
    except OSError:
        return b""
