# SPDX-License-Identifier: GPL-3.0-or-later
"""What every run does: it finds the environment's programs, ends cleanly, and tells where its time went."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support.run import Run, Worker

# Ansible's and Molecule's programs start each other by name, from wherever the environment is.
# Those of the system, sshd and ip among them, need not be on the PATH either.
_ELSEWHERE = (os.environ.get("PATH") or os.defpath, "/usr/local/sbin", "/usr/sbin", "/sbin")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), *_ELSEWHERE])

# Else each of the programs that are started compiles what it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Worker() if hasattr(config, "workerinput") else Run())
