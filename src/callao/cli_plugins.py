# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds external programs, see Lima's documentation, "CLI plugins": beside our own program, on
PATH, and in ``libexec/lima`` beside it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PREFIXES = ("callao-", "limactl-")


def search_folders() -> list[Path]:
    """Those that are there; the first that has a program wins."""
    program = Path(sys.argv[0])
    own = [program.absolute().parent, program.resolve().parent]
    path = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    libexec = [folder.parent / "libexec" / "lima" for folder in own]
    return [each for each in dict.fromkeys((*own, *path, *libexec)) if os.path.isdir(each)]  # noqa: PTH112


def is_program(path: Path) -> bool:
    """Whether it is a program that this user may run; not where a folder on the way may not be entered."""
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113


def find_program(name: str) -> Path | None:
    """The program of the plugin of that name; ``name`` has been checked to be one."""
    candidates = (folder / f"{prefix}{name}" for folder in search_folders() for prefix in PREFIXES)
    return next((path for path in candidates if is_program(path)), None)
