# SPDX-License-Identifier: GPL-3.0-or-later
"""The ssh command line for an instance. Quick to import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Target(NamedTuple):
    """Where ssh goes: ``config`` is an instance's ssh.config, ``alias`` its host in there."""

    config: Path
    alias: str

    def argv(self, *options: str, command: Sequence[str] = ()) -> list[str]:
        return ["ssh", "-F", str(self.config), *options, self.alias, *command]
