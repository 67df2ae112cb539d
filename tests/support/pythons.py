# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine: a guest may have an older or a newer one than ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def python(name: str) -> str:
    """The program of that name, such as ``python3.6``, also where it lies under pyenv and is not active.

    Skips the test where there is none.
    """
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [str(path) for path in versions.glob("3.*/bin")]
    for folder in (None, *places):
        found = shutil.which(name, path=folder)
        # One of pyenv's shims may be there, and its Python not.
        if found and subprocess.run([found, "-V"], capture_output=True, check=False).returncode == 0:
            return found
    pytest.skip(f"no {name} here")
