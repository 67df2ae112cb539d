# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module as Ansible does: arguments in, one JSON object out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from support import programs


def run_module(name: str, arguments: dict[str, Any], home: Path, **environment: str) -> dict[str, Any]:
    """The module's result; what it wrote to standard error is under ``stderr``."""
    asked = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    kept = {**os.environ, **programs.settings(), "LIMA_HOME": str(home)}
    done = programs.run_module(name, asked, {**kept, **environment})
    result: dict[str, Any] = json.loads(done.stdout)
    return {**result, "stderr": done.stderr}
