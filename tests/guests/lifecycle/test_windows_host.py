# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook for a Windows host: a box is made there, tasks run in it by two connections, and it goes.

Windows is a stand-in: a real sshd whose forced command plays cmd, and wsl.exe with a real Debian.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from support import programs
from support.home import CACHE
from support.masters import control_folder
from support.windows.host import windows_host
from support.windows.winrm import psrp_host, winrm_host
from support.wsl import guest, store
from support.wsl.rootfs import debian

from callao.config import dump
from callao.drivers.wsl2.command_line import Shell
from callao.host import Host

PLAYBOOK = """
- hosts: desk
  gather_facts: false
  tasks:
    - callao.lima.instance: &box
        name: web
        template: "{{ template }}"
        state: started
      register: first
      failed_when: first is failed or not first.changed
    - callao.lima.instance: *box
      register: second
      failed_when: second is failed or second.changed
    - callao.lima.instance_info:
      register: found
      failed_when: found.instances | map(attribute='name') | list != ['web']

- hosts: BOXES
  gather_facts: false
  tasks:
    - ansible.builtin.raw: id -un; hostname
      register: said
      changed_when: false
      failed_when: said.stdout_lines != [login, 'lima-web']

- hosts: desk
  gather_facts: false
  tasks:
    - callao.lima.instance: {name: web, state: absent}
"""


def test_a_box_on_a_windows_host_by_a_playbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with windows_host(tmp_path / "host", tmp_path / "windows", Shell.CMD) as windows:
        _live(tmp_path, monkeypatch, windows.variables(), "by_ssh, by_wsl")


@pytest.mark.long
@pytest.mark.parametrize("reached", [winrm_host, psrp_host])
def test_a_box_on_a_windows_host_that_is_reached_by_winrm(
    reached: Callable[[Path], AbstractContextManager[dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "windows").mkdir()
    with reached(tmp_path / "windows") as variables:
        _live(tmp_path, monkeypatch, variables, "by_wsl")


def _live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk: dict[str, Any], boxes: str) -> None:
    state, host = tmp_path / "windows", Host.detect()
    monkeypatch.setenv(store.STATE, str(state))
    document = {
        "vmType": "wsl2",
        "images": [{"location": str(debian(CACHE)), "arch": host.arch}],
        "user": {"name": "ana", "uid": 1234},
        "containerd": {"user": False},
    }
    (tmp_path / "web.yaml").write_text(dump(document))
    (tmp_path / "play.yml").write_text(PLAYBOOK.replace("BOXES", boxes))
    with tempfile.TemporaryDirectory(prefix="callao-") as home:  # sockets' names are limited
        done = _play(tmp_path, Path(home), desk)
    left = store.entries()
    for entry in left:
        guest.end(entry)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left == []


def _play(folder: Path, home: Path, desk: dict[str, Any]) -> Any:
    by_ssh = {
        "ansible_connection": "callao.lima.instance",
        "ansible_lima_home": str(home / "_windows" / "desk"),
        "lima_instance": "web",
        "login": "ana",
    }
    by_wsl = {
        "ansible_connection": "callao.lima.wsl",
        "lima_host": "desk",
        "lima_instance": "web",
        "login": "root",
    }
    hosts = {"all": {"hosts": {"desk": desk, "by_ssh": by_ssh, "by_wsl": by_wsl}}}
    (folder / "hosts.yml").write_text(json.dumps(hosts))
    with control_folder() as controls:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
            **programs.settings(),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(controls),
            "LIMA_HOME": str(home),
        }
        return programs.run(
            "ansible-playbook", "-i", str(folder / "hosts.yml"), "-e", f"template={folder}/web.yaml",
            str(folder / "play.yml"), environment=environment,
        )  # fmt: skip
