# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs vfkit, krunkit and gvproxy: where they are, and of which version."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, int, int]

_NUMBERS = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")

_PATIENCE = 20.0
"""Seconds for a program to print its version; macOS checks a new program's signature at its first start."""

NEWEST: Version = (999, 0, 0)
"""Of a build that names no version, as one of a checkout: it is taken for newer than all releases."""

_LIBEXEC = ("/opt/homebrew/opt/podman/libexec/podman", "/usr/local/opt/podman/libexec/podman",
            "/opt/podman/bin", "/usr/lib/podman", "/usr/libexec/podman")  # fmt: skip
"""Where packages of Podman have gvproxy, which they do not put on PATH."""


@dataclass(frozen=True)
class Tool:
    """``oldest`` is the first version that can be used; ``install`` says how to get it."""

    name: str
    oldest: Version
    install: str
    folders: tuple[str, ...] = ()
    """Searched after PATH."""

    def find(self) -> str | None:
        """The program's path."""
        return shutil.which(self.name) or shutil.which(self.name, path=os.pathsep.join(self.folders))

    def absence(self) -> str:
        return f"{self.name} is not on PATH: {self.install}."

    def missing(self) -> str:
        """What is wrong with the host's program, with its remedy; empty when nothing is."""
        program = self.find()
        if program is None:
            return self.absence()
        found = version_of(program)
        if found < self.oldest:
            have, need = words(found), words(self.oldest)
            return f"{program} is version {have}, and {need} is needed: {self.install}."
        return ""


VFKIT = Tool("vfkit", (0, 5, 1), "install it (Homebrew: brew install vfkit)")
KRUNKIT = Tool("krunkit", (1, 2, 1), "install it (Homebrew: brew tap slp/krun && brew install krunkit)")
GVPROXY = Tool(
    "gvproxy",
    (0, 8, 8),
    "install a new one (from github.com/containers/gvisor-tap-vsock, or with a new Podman)",
    _LIBEXEC,
)
"""Since 0.8.8 its addresses can be chosen, by ``-config``."""


def version_of(program: str) -> Version:
    """What the program says to ``--version``; :data:`NEWEST` when it names no number."""
    try:
        stamp = Path(program).stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _asked(program, stamp)


def words(version: Version) -> str:
    return ".".join(map(str, version))


@functools.lru_cache(maxsize=16)
def _asked(program: str, _stamp: int) -> Version:
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return NEWEST
    said = _NUMBERS.search(done.stdout[:4096] or done.stderr[:4096])
    return (int(said[1]), int(said[2]), int(said[3])) if said else NEWEST
