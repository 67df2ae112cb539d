# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the guest that are waited for: those that set the packet filter."""

import subprocess

TIMEOUT = 10.0
"""Seconds that one gets."""


class Failed(Exception):
    """It refused what it was asked."""


def run(command: "list[str]", text: str = "") -> None:
    """:raises Failed: with what the command said first. :raises OSError: when it is not there."""
    try:
        done = subprocess.run(
            command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} has not ended within {TIMEOUT:.0f} s") from None
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip().partition("\n")[0]
        raise Failed(f"{command[0]} failed with status {done.returncode}: {said}")


def succeeds(command: "list[str]", text: str = "") -> bool:
    try:
        run(command, text)
    except (Failed, OSError):
        return False
    return True
