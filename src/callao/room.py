# SPDX-License-Identifier: GPL-3.0-or-later
"""The room that files take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def taken(files: Iterable[Path]) -> int:
    """Bytes on the disk: holes are not in it, nor what is linked."""
    return sum(each.lstat().st_blocks * 512 for each in files)
