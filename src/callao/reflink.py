# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies large files, sharing their blocks where the file system can."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path


def copy_reflink(source: Path, target: Path) -> None:
    """Copy by cp(1), which shares blocks where the file system supports that, and keeps holes.

    :raises OSError: with cp's error message.
    """
    how = ["-c"] if sys.platform == "darwin" else ["--reflink=auto", "--sparse=always"]
    done = subprocess.run(
        ["cp", *how, str(source), str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise OSError(errno.EIO, done.stderr.strip() or "cp says nothing", str(source))
