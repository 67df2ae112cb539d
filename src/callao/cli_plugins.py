# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the programs of external commands (Lima's documentation, "CLI plugins").

They are looked up in the folder of the ``callao`` program, on PATH, and in ``libexec/lima``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PREFIXES = ("callao-", "limactl-")


def search_folders() -> list[Path]:
    """The existing folders, in the order in which they are searched."""
    program = Path(sys.argv[0])
    own = [program.absolute().parent, program.resolve().parent]
    path = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    libexec = [folder.parent / "libexec" / "lima" for folder in own]
    return [each for each in dict.fromkeys((*own, *path, *libexec)) if os.path.isdir(each)]  # noqa: PTH112


def is_program(path: Path) -> bool:
    """Whether this user may run the file; False also where a folder of the path is not accessible."""
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113


def find_program(name: str) -> Path | None:
    """The program of the plugin ``name``, which the caller has validated; None if there is none."""
    candidates = (folder / f"{prefix}{name}" for folder in search_folders() for prefix in PREFIXES)
    return next((path for path in candidates if is_program(path)), None)
