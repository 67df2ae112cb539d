# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the tools run: an instance's guest by ssh."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from callao.errors import InstanceError
from callao.instances.index import indexed_instance
from callao.instances.paths import ssh_alias
from callao.instances.status import Status, must_not_be_paused
from callao.ssh.target import Target


class Guest(Protocol):
    """Something that runs commands."""

    def argv(self, command: Sequence[str]) -> list[str]:
        """The command line on the host that runs ``command`` in the guest.

        :raises CallaoError: when the guest cannot be reached now.
        """


@dataclass(frozen=True)
class InstanceGuest:
    """The guest of the instance ``name``, looked up for each connection: it may have been restarted."""

    home: Path
    name: str

    def argv(self, command: Sequence[str]) -> list[str]:
        """:raises InstanceError: when the instance does not run."""
        found = indexed_instance(self.name, self.home)
        must_not_be_paused(found.status, found.paths)
        if found.status is not Status.RUNNING or not found.paths.ssh_config.exists():
            raise InstanceError(
                f"instance {self.name!r}: the status is {found.status}, not {Status.RUNNING}.",
                hint=f"Start it: callao start {self.name}",
            )
        target = Target(config=found.paths.ssh_config, alias=ssh_alias(self.name))
        # A control master that this connection began would outlive the server, with its standard error.
        options = ("-T", "-o", "ControlMaster=no", "-o", "ServerAliveInterval=15")
        return target.argv(*options, command=["--", f"exec {shlex.join(command)}"])
