# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the stand-ins into a folder under the names of the programs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).parents[2]


def install(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    programs: Sequence[str] = ("vfkit", "krunkit"),
) -> Path:
    """Stand-ins, by default for ``vfkit`` and ``krunkit``, in a folder for ``PATH``; returns the folder.

    :param environment: what they are to find in their environment besides.
    """
    folder.mkdir(parents=True, exist_ok=True)
    given = {"PYTHONPATH": f"{TESTS}:{TESTS / 'conformance'}", **(environment or {})}
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in given.items())
    for name in programs:
        script = folder / name
        command = f'exec {shlex.quote(sys.executable)} -P -m support.apple.{name}_program "$@"'
        script.write_text(f"#!/bin/sh\n{exports}{command}\n", encoding="utf-8")
        script.chmod(0o755)
    return folder
