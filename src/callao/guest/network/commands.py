# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands of the guest that set the packet filter, and waits for them."""

import subprocess

TIMEOUT = 10.0
"""Seconds that a command may take."""


class CommandFailed(Exception):
    """A command failed or timed out."""


def run(command: "list[str]", text: str = "") -> None:
    """:raises CommandFailed: with the first line of its output. :raises OSError: when it cannot be
    executed.
    """
    try:
        result = subprocess.run(
            command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{command[0]} has not ended within {TIMEOUT:.0f} s") from None
    if result.returncode != 0:
        first_line = result.stdout.decode("utf-8", "replace").strip().partition("\n")[0]
        raise CommandFailed(f"{command[0]} failed with status {result.returncode}: {first_line}")


def run_succeeds(command: "list[str]", text: str = "") -> bool:
    try:
        run(command, text)
    except (CommandFailed, OSError):
        return False
    return True
