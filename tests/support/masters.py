# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder for ssh's control masters, which would otherwise outlive the test."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def control_folder() -> Iterator[Path]:
    """All that live in it are ended at last; right under /tmp, for a short name."""
    folder = Path(tempfile.mkdtemp(prefix="cp-", dir="/tmp"))
    try:
        yield folder
    finally:
        for path in list(folder.iterdir()):
            if path.is_socket():
                argv = ["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "guest"]
                subprocess.run(argv, capture_output=True, check=False)
        _remove(folder)


def _remove(folder: Path) -> None:
    """A master removes its socket after it has answered, so files vanish while the folder is emptied."""
    while folder.exists():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
