# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies large files, sharing their blocks where the file system can."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

from callao.system import COPY_OPTIONS


def copy_reflink(source: Path, target: Path) -> None:
    """Copy by cp(1), which shares blocks where the file system supports that, and keeps holes.

    :raises OSError: with cp's error message.
    """
    done = subprocess.run(
        ["cp", *COPY_OPTIONS, str(source), str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise OSError(errno.EIO, done.stderr.strip() or "cp says nothing", str(source))
