# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes files take on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def disk_usage(files: Iterable[Path]) -> int:
    """Allocated bytes, without holes and without the targets of links; Windows has no block count."""
    return sum(_allocated(each.lstat()) for each in files)


def _allocated(status: os.stat_result) -> int:
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * 512
