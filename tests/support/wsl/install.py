# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the stand-in into a folder under the name of the program."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from support.wsl.store import STATE

TESTS = Path(__file__).parents[2]


def install(folder: Path, state: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """``wsl.exe`` in a folder, with its distributions in another.

    :param environment: what it is to find in its environment besides.
    :returns: the environment in which the engine finds it, as it does inside WSL.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state.mkdir(parents=True, exist_ok=True)
    given = {"PYTHONPATH": str(TESTS), STATE: str(state), **(environment or {})}
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in given.items())
    script = folder / "wsl.exe"
    command = f'exec {shlex.quote(sys.executable)} -P -S -m support.wsl.program "$@"'
    script.write_text(f"#!/bin/sh\n{exports}{command}\n", encoding="utf-8")
    script.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CALLAO_WSL_HOME": "C:\\callao"}
