# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the programs of external commands (Lima's documentation, "CLI plugins").

They are looked up in the folder of the ``callao`` program, on PATH, in ``libexec/lima`` and in ``lib/lima``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PREFIXES = ("callao-", "limactl-")


def search_folders() -> list[Path]:
    """The existing folders, in the order in which they are searched."""
    path = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    every = (*_own_folders(), *path, *libexec_folders())
    return [each for each in dict.fromkeys(every) if os.path.isdir(each)]  # noqa: PTH112


def libexec_folders() -> list[Path]:
    """The folders beside the program's own in which packages put plugins, whether they exist or not."""
    return [folder.parent / name / "lima" for folder in _own_folders() for name in ("libexec", "lib")]


def share_folders() -> list[Path]:
    """The folders beside the program's own for Lima's data, whether they exist or not."""
    return [folder.parent / "share" / "lima" for folder in _own_folders()]


def search_path() -> str:
    """PATH for a plugin: it finds the same programs as this one, and other plugins."""
    return os.pathsep.join(map(str, search_folders()))


def _own_folders() -> tuple[Path, ...]:
    program = Path(sys.argv[0])
    return tuple(dict.fromkeys((program.absolute().parent, program.resolve().parent)))


def is_program(path: Path) -> bool:
    """Whether this user may run the file; False also where a folder of the path is not accessible."""
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113


def find_program(name: str) -> Path | None:
    """The program of the plugin ``name``, which the caller has validated; None if there is none."""
    candidates = (folder / f"{prefix}{name}" for folder in search_folders() for prefix in PREFIXES)
    return next((path for path in candidates if is_program(path)), None)
