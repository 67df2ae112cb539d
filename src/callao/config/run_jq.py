# SPDX-License-Identifier: GPL-3.0-or-later
"""jq in a process of its own, for programs and inputs of others: bounded in time and memory, without the
environment, which a program could print.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_SECONDS = 3
_BYTES = 512 * 2**20
_FAILED = 3
_CHILD = f"""\
import resource, sys, json
resource.setrlimit(resource.RLIMIT_CPU, ({_SECONDS}, {_SECONDS}))
resource.setrlimit(resource.RLIMIT_AS, ({_BYTES}, {_BYTES}))
import jq
program, value = json.load(sys.stdin)
try:
    results = jq.compile(program).input_value(value).all()
except ValueError as error:
    print(str(error).strip().splitlines()[0], file=sys.stderr)
    sys.exit({_FAILED})
json.dump(results, sys.stdout)
"""


class JqFailed(Exception):
    """The program is none, or cannot be applied; the text is jq's."""


def results(program: str, value: Any) -> list[Any]:
    """The results of ``program`` on ``value``.

    :raises JqFailed: when it makes nothing of it, or takes too much.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD],
            input=json.dumps([program, value]),
            capture_output=True,
            text=True,
            env={},
            timeout=10 * _SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise JqFailed("jq takes too long") from None
    if done.returncode == _FAILED:
        raise JqFailed(done.stderr.strip().removeprefix("jq: error: "))
    if done.returncode != 0:
        raise JqFailed(f"jq takes more than {_SECONDS} s or {_BYTES // 2**20} MiB")
    found: list[Any] = json.loads(done.stdout)
    return found
