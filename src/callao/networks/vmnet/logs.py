# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of socket_vmnet. Quick to import."""

from __future__ import annotations

from pathlib import Path

_STDERR = "{}_socket_vmnet.stderr.log"


def log_files(home: Path, name: str) -> tuple[Path, Path]:
    """Where the stdout and the stderr of a network's daemon are kept."""
    folder = home / "_networks"
    return folder / f"{name}_socket_vmnet.stdout.log", folder / _STDERR.format(name)


def was_started(home: Path) -> bool:
    """Whether a daemon was ever started for an instance of the home: it has left its log then."""
    return any((home / "_networks").glob(_STDERR.format("*")))
