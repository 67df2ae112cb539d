# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs scripts as the guest's root."""

from __future__ import annotations

from callao.errors import AgentError
from callao.ssh import Client


async def run_as_root(client: Client, script: str, what: str, seconds: float) -> None:
    """Run a shell script as the guest's root.

    :param what: the beginning of error messages, such as ``networks: lima0``.
    :param seconds: how long it may take.
    :raises AgentError: with the script's error output.
    """
    try:
        answer = await client.run(script, timeout=seconds, interpreter="sudo -n /bin/sh")
    except TimeoutError:
        raise AgentError(f"{what}: no answer of the guest within {seconds:.0f} s.") from None
    if answer.status != 0:
        words = answer.stderr.strip() or f"status {answer.status}"
        raise AgentError(f"{what}: in the guest: {words}")
