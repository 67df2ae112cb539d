# SPDX-License-Identifier: GPL-3.0-or-later
"""A probe gets the parameters, whatever is in them, by the command line that sshd gives a shell."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import Any

import pytest

from callao.config.schema import Probe
from callao.hostagent.boot.probes import check_probe
from callao.ssh import CommandResult


class Here:
    """Runs a script as sshd does: the command is for the login shell."""

    async def run(self, script: str, timeout: float, interpreter: str = "/bin/sh") -> CommandResult:
        done = subprocess.run(
            ["sh", "-c", interpreter], input=script, capture_output=True, text=True, check=False
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("interpreter", ["/bin/sh", "/usr/bin/env bash"])
@pytest.mark.parametrize("value", ["", "it's $HOME", "a\nb", '"; exit 1 #'])
def test_a_parameter_arrives_as_it_is(interpreter: str, value: str) -> None:
    client: Any = Here()
    script = (
        f'#!{interpreter}\n[ "$(printf \'%s|\' "$PARAM_WHAT")" = "$(cat <<\'END\'\n{value}|\nEND\n)" ]\n'
    )
    asyncio.run(check_probe(0, Probe(script=script), client, time.monotonic() + 10, {"WHAT": value}))
