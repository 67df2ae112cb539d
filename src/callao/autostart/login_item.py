# SPDX-License-Identifier: GPL-3.0-or-later
"""A login item: which instance it starts, and how; the same record for systemd and launchd."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from callao.host_basics import home_folder


@dataclass(frozen=True)
class LoginItem:
    """``program`` is the first word of the command; ``home`` the LIMA_HOME that it works in."""

    name: str
    home: Path
    program: str

    def starts(self, name: str, home: Path) -> bool:
        """Whether it starts this very instance, by a program that is there."""
        return (self.name, self.home) == (name, home) and os.access(self.program, os.X_OK)


def command(verb: str, name: str) -> list[str]:
    """The command line by which an entry of ours works: this Python, wherever PATH leads at login."""
    return [sys.executable, "-P", "-m", "callao.cli.main", verb, name]


def default_home() -> Path:
    """The LIMA_HOME of a session that does not name one, as limactl's entries have it."""
    return home_folder() / ".lima"
