# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the programs that make a release, as if no configuration of Ansible, Lima or Python were set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*argv: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("ANSIBLE_", "LIMA_", "PYTHON"))
    }
    done = subprocess.run(
        [str(part) for part in argv],
        cwd=cwd,
        env={**kept, "ANSIBLE_NOCOLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def artifact_in(folder: Path) -> Path:
    """What ansible-galaxy builds of this tree, and would upload."""
    run(sys.executable, "-m", "ansible", "galaxy", "collection", "build", "--output-path", folder)
    (path,) = folder.glob("*.tar.gz")
    return path
