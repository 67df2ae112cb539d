# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module as Ansible does: arguments in, one JSON object out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_WRAPPER = """
import json, runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_module("ansible_collections.callao.lima.plugins.modules." + sys.argv[1], run_name="__main__")
"""


def run_module(name: str, arguments: dict[str, Any], home: Path, **environment: str) -> dict[str, Any]:
    """The module's result; what it wrote to standard error is under ``stderr``."""
    done = subprocess.run(
        [sys.executable, "-c", _WRAPPER, name],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode(),
        capture_output=True,
        env={**os.environ, "LIMA_HOME": str(home), **environment},
        check=False,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return {**result, "stderr": done.stderr.decode()}
