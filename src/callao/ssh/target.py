# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the ssh command line for an instance. Imports little, for quick commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Target(NamedTuple):
    """What ssh connects to: ``config`` is an instance's ssh.config, ``alias`` its Host in that file."""

    config: Path
    alias: str

    def argv(self, *options: str, command: Sequence[str] = ()) -> list[str]:
        return ["ssh", "-F", str(self.config), *options, self.alias, *command]
