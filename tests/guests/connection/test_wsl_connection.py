# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection callao.lima.wsl: the standard suite in a Debian of the stand-in for wsl.exe.

Its way there is a real sshd, whose shell is one of Windows', a WinRM endpoint, or interop.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support import programs
from support.home import CACHE
from support.masters import control_folder
from support.windows.host import windows_host
from support.windows.winrm import psrp_host, winrm_host
from support.wsl import guest, store
from support.wsl.install import install
from support.wsl.rootfs import debian

from callao.drivers.wsl2.command_line import Shell
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.wsl_exe import Wsl

SUITE = Path(__file__).with_name("suite.yml")
MEBIBYTES = 9
"""Of the big file: three pieces."""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Distributions, of which ``lima-web`` is a Debian with Python."""
    folder = tmp_path / "windows"
    for key, value in install(tmp_path / "bin", folder).items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv(store.STATE, str(folder))
    with debian(CACHE, "python3").open("rb") as rootfs:
        Wsl(Interop()).install("lima-web", "C:\\web", rootfs)
    yield folder
    for entry in store.entries():
        guest.end(entry)


def passes(tmp_path: Path, windows: dict[str, Any] | None) -> None:
    """Run the suite through a Windows host with these variables; without them, by interop."""
    (tmp_path / "far").mkdir()
    big = tmp_path / "big.in"
    big.write_bytes(os.urandom(2**20) * MEBIBYTES)
    (tmp_path / "script.sh").write_text('#!/bin/sh\necho script\necho "$1"\n')
    web = {"ansible_connection": "callao.lima.wsl", "ansible_python_interpreter": "/usr/bin/python3"}
    if windows is not None:
        web["lima_host"] = "desk"
    hosts: dict[str, Any] = {"guests": {"hosts": {"web": web}}}
    if windows is not None:
        hosts["windows"] = {"hosts": {"desk": windows}}
    (tmp_path / "hosts.yml").write_text(json.dumps(hosts))
    with control_folder() as controls:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
            **programs.settings(),
            "ANSIBLE_DISPLAY_TRACEBACK": "always",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(controls),
        }
        extra = {"scratch": str(tmp_path), "big_file": str(big), "far": "/tmp/far"}
        done = programs.run(
            "ansible-playbook", "-i", str(tmp_path / "hosts.yml"), "-e", json.dumps(extra), str(SUITE),
            environment=environment,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize("shell", list(Shell))
def test_the_standard_suite_passes_over_ssh(tmp_path: Path, state: Path, shell: Shell) -> None:
    with windows_host(tmp_path / "host", state, shell) as windows:
        passes(tmp_path, windows.variables())


@pytest.mark.long
def test_the_standard_suite_passes_over_winrm(tmp_path: Path, state: Path) -> None:
    with winrm_host(state) as variables:
        passes(tmp_path, variables)


@pytest.mark.long
def test_the_standard_suite_passes_over_psrp(tmp_path: Path, state: Path) -> None:
    with psrp_host(state) as variables:
        passes(tmp_path, variables)


@pytest.mark.long
def test_the_standard_suite_passes_by_interop(tmp_path: Path, state: Path) -> None:
    passes(tmp_path, None)
