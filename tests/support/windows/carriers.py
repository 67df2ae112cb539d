# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to a Windows host: a real sshd whose shell is cmd or PowerShell, and a WinRM endpoint."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callao.drivers.wsl2 import winrm
from callao.drivers.wsl2.carrier import Remote
from callao.drivers.wsl2.command_line import Shell
from support.windows.host import windows_host
from support.windows.winrm import PASSWORD, USER, winrm_host
from support.wsl import guest, store


class Way(enum.Enum):
    SSH_TO_CMD = "ssh to cmd"
    SSH_TO_POWERSHELL = "ssh to PowerShell"
    PYWINRM = "WinRM by pywinrm"
    PYPSRP = "WinRM by pypsrp"

    @property
    def is_ssh(self) -> bool:
        return self in (Way.SSH_TO_CMD, Way.SSH_TO_POWERSHELL)


@contextmanager
def reached(way: Way, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """The carrier to a host whose distributions are in ``folder / "windows"``; ends them all."""
    state = folder / "windows"
    state.mkdir(parents=True, exist_ok=True)
    patch.setenv(store.STATE, str(state))
    try:
        if way.is_ssh:
            shell = Shell.CMD if way is Way.SSH_TO_CMD else Shell.POWERSHELL
            with windows_host(folder / "host", state, shell) as windows:
                yield windows.carrier()
        else:
            with winrm_host(state) as variables:
                patch.setenv(winrm.LOGIN, _login(way, variables["ansible_port"]))
                program = (sys.executable, "-P", "-m", "callao.drivers.wsl2.winrm")
                yield Remote("win", program, Shell.CMD, "C:\\callao", needs_login=True)
    finally:
        for entry in store.entries():
            guest.end(entry)


def _login(way: Way, port: int) -> str:
    who = {"username": USER, "password": PASSWORD}
    if way is Way.PYWINRM:
        endpoint = f"http://127.0.0.1:{port}/wsman"
        return winrm.login(winrm.Client.PYWINRM, endpoint=endpoint, transport="basic", **who)
    kinds = {"auth": "basic", "encryption": "never", "ssl": False}
    return winrm.login(winrm.Client.PYPSRP, server="127.0.0.1", port=port, **kinds, **who)
