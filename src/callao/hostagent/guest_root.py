# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts that the guest's root runs for the host agent."""

from __future__ import annotations

from callao.errors import AgentError
from callao.ssh import Client


async def run_as_root(client: Client, script: str, what: str, seconds: float) -> None:
    """Run a shell script as the guest's root.

    :param what: what it is for, to begin a message with, as in ``networks: lima0``.
    :param seconds: how long it may take.
    :raises AgentError: with the guest's own words.
    """
    try:
        answer = await client.run(script, timeout=seconds, interpreter="sudo -n /bin/sh")
    except TimeoutError:
        raise AgentError(f"{what}: no answer of the guest within {seconds:.0f} s.") from None
    if answer.status != 0:
        words = answer.stderr.strip() or f"status {answer.status}"
        raise AgentError(f"{what}: in the guest: {words}")
