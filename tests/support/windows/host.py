# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host: an sshd whose forced command plays the shell, and ``wsl.exe`` behind it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callao.drivers.wsl2.carrier import Remote
from callao.drivers.wsl2.command_line import Shell
from support.sshd import USER, Sshd, free_port, keygen
from support.wsl.store import STATE

_TESTS = Path(__file__).parents[2]


@dataclass(frozen=True)
class WindowsHost:
    """``key`` is the private key that may log in."""

    sshd: Sshd
    key: Path
    shell: Shell

    @property
    def options(self) -> tuple[str, ...]:
        settings = {
            "Port": str(self.sshd.port),
            "User": USER,
            "IdentityFile": str(self.key),
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
        }
        return (
            "-F",
            "none",
            *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")),
        )

    def carrier(self) -> Remote:
        return Remote(
            "win",
            ("ssh", *self.options, self.sshd.address),
            self.shell,
            "C:\\callao",
            ("sftp", *self.options, "-b", "-", self.sshd.address),
        )

    def variables(self) -> dict[str, Any]:
        """Of the host in an inventory."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": self.sshd.address,
            "ansible_port": self.sshd.port,
            "ansible_user": USER,
            "ansible_shell_type": self.shell.value,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": "-F none -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            "ansible_ssh_host_key_checking": False,
            "callao_wsl_home": "C:\\callao",
        }


@contextmanager
def windows_host(folder: Path, state: Path, shell: Shell) -> Iterator[WindowsHost]:
    """:param state: the distributions, see :mod:`support.wsl.store`."""
    folder.mkdir(parents=True)
    state.mkdir(parents=True, exist_ok=True)
    key = keygen(folder / "key")
    given = {"PYTHONPATH": str(_TESTS), STATE: str(state), "PATH": os.environ["PATH"]}
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in given.items())
    program = folder / "session.sh"
    command = f"exec {shlex.quote(sys.executable)} -P -S -m support.windows.session {shell.value}"
    program.write_text(f"#!/bin/sh\n{exports}{command}\n")
    program.chmod(0o755)
    sshd = Sshd(folder / "sshd", free_port(), Path(f"{key}.pub"), forced_command=str(program))
    sshd.start()
    try:
        yield WindowsHost(sshd, key, shell)
    finally:
        sshd.stop()
