# SPDX-License-Identifier: GPL-3.0-or-later
"""A command's arguments as a line for the guest's shell. Imports little, for quick commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence


def command_line(arguments: Sequence[str]) -> str:
    """The arguments, quoted; leading ``NAME=value`` stay assignments, as in a shell's own line."""
    words = list(arguments)
    assignments = []
    while words and (found := re.fullmatch(r"([A-Za-z_]\w*)=(.*)", words[0], re.ASCII | re.DOTALL)):
        assignments.append(f"{found[1]}={shlex.quote(found[2])}")
        words.pop(0)
    return " ".join([*assignments, *map(shlex.quote, words)])
