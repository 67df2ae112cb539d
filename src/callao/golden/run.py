# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tools of a build, as root or in a user namespace that maps to root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from callao import system
from callao.errors import ImageError

_OUTPUT_LINES = 15
"""Lines of a failed tool's output that go into the error."""


def run(argv: Sequence[str]) -> None:
    """Run a tool to its end.

    :raises ImageError: with the last lines of its output.
    """
    environment = {
        **os.environ,
        "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()[-_OUTPUT_LINES:]
        raise ImageError(f"{argv[0]} failed with status {done.returncode}: " + "\n".join(lines))


def as_root(argv: Sequence[str]) -> list[str]:
    """The command with permission to set file owners, by a user namespace if needed; see unshare(1)."""
    if system.uid() == 0:
        return list(argv)
    return ["unshare", "--map-root-user", "--map-auto", "--", *argv]
