# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture's value: a running machine, and how to run commands in it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callao.instances import InstancePaths, ssh_alias
from callao.ssh.target import Target


@dataclass(frozen=True)
class Guest:
    """A running instance of the LIMA_HOME ``home``."""

    name: str
    home: Path

    @property
    def paths(self) -> InstancePaths:
        """Its files on this host."""
        return InstancePaths(self.home / self.name)

    @property
    def alias(self) -> str:
        """Its name in :attr:`callao.instances.InstancePaths.ssh_config`."""
        return ssh_alias(self.name)

    def run(self, command: str, *, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """A shell command line in the guest, as its user.

        :param timeout: seconds.
        :raises subprocess.TimeoutExpired: when it takes longer.
        """
        argv = Target(self.paths.ssh_config, self.alias).argv(command=[command])
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)

    def output(self, command: str, *, timeout: float = 60.0) -> str:
        """Its standard output, without the last line break.

        :raises AssertionError: when it failed, with its status and standard error.
        """
        done = self.run(command, timeout=timeout)
        if done.returncode != 0:
            words = done.stderr.strip()
            raise AssertionError(f"{command!r} in {self.name}: status {done.returncode}: {words}")
        return done.stdout.removesuffix("\n")

    def testinfra(self, *, sudo: bool = False) -> Any:
        """A testinfra host, over the existing ssh connection.

        :raises ImportError: without the extra ``testing``.
        """
        import testinfra

        return testinfra.get_host(f"ssh://{self.alias}", ssh_config=str(self.paths.ssh_config), sudo=sudo)
