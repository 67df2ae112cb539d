# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs untrusted jq programs in a separate process with limits of time and memory, and with an empty
environment, because a program can print environment variables.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_MAX_SECONDS = 3
_MAX_MEMORY = 512 * 2**20
_JQ_ERROR_STATUS = 3
_CHILD_PROGRAM = f"""\
import resource, sys, json
resource.setrlimit(resource.RLIMIT_CPU, ({_MAX_SECONDS}, {_MAX_SECONDS}))
resource.setrlimit(resource.RLIMIT_AS, ({_MAX_MEMORY}, {_MAX_MEMORY}))
import jq
program, value = json.load(sys.stdin)
try:
    results = jq.compile(program).input_value(value).all()
except ValueError as error:
    print(str(error).strip().splitlines()[0], file=sys.stderr)
    sys.exit({_JQ_ERROR_STATUS})
json.dump(results, sys.stdout)
"""


class JqFailed(Exception):
    """The program is invalid or fails; the text is jq's error message."""


def run_jq(program: str, value: Any) -> list[Any]:
    """The results of ``program`` on ``value``.

    :raises JqFailed: when the program is invalid, fails, or exceeds the limits.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD_PROGRAM],
            input=json.dumps([program, value]),
            capture_output=True,
            text=True,
            env={},
            timeout=10 * _MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise JqFailed("jq takes too long") from None
    if done.returncode == _JQ_ERROR_STATUS:
        raise JqFailed(done.stderr.strip().removeprefix("jq: error: "))
    if done.returncode != 0:
        raise JqFailed(f"jq takes more than {_MAX_SECONDS} s or {_MAX_MEMORY // 2**20} MiB")
    found: list[Any] = json.loads(done.stdout)
    return found
