# SPDX-License-Identifier: GPL-3.0-or-later
"""The room that files take."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def taken(files: Iterable[Path]) -> int:
    """Bytes on the disk: holes are not in it, nor what is linked. Windows counts no blocks."""
    return sum(_taken(each.lstat()) for each in files)


def _taken(status: os.stat_result) -> int:
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * 512
