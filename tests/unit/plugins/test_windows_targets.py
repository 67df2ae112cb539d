# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task for a Windows host lacks is told before anything is touched."""

from __future__ import annotations

import json
import os

import pytest
from support import programs

SSH = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_shell_type": "cmd"}
READY = {**SSH, "callao_wsl_home": "C:\\callao"}
PSRP = {**READY, "ansible_connection": "psrp", "ansible_shell_type": "powershell"}
HOSTS = {
    "no_folder": (SSH, r"no_folder: callao_wsl_home: not set: the folder of Windows"),
    "bad_folder": (
        {**SSH, "callao_wsl_home": "/home/ana"},
        r"bad_folder: callao_wsl_home: '/home/ana'.*allowed: a path such as C:",
    ),
    "password": (
        {**READY, "ansible_password": "x"},
        r"password: is reached with a password.*ansible_ssh_private_key_file",
    ),
    "local": (
        {**READY, "ansible_connection": "local"},
        r"local: ansible_connection: local: .*allowed: ssh.*, winrm and psrp",
    ),
    "restricted": (
        {**PSRP, "ansible_password": "x", "ansible_psrp_configuration_name": "JEA"},
        r"restricted: ansible_psrp_configuration_name: 'JEA': .*allowed: Microsoft.PowerShell",
    ),
    "ticket": (PSRP, r"ticket: ansible_psrp_auth: negotiate: a ticket .*allowed: certificate, or with a"),
    "kerberos": (
        {**READY, "ansible_connection": "winrm", "ansible_winrm_transport": "kerberos"},
        r"kerberos: ansible_winrm_transport: kerberos: a ticket.*allowed: ntlm",
    ),
    "root": (
        {**READY, "ansible_become": True, "ansible_become_method": "runas", "ansible_become_user": "x"},
        r"become: is not for a Windows host",
    ),
    "others_home": (READY, r"its instances are on one, and not on others_home"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("windows")
    (folder / "home" / "_config").mkdir(parents=True)
    other = {"where": "one", "program": ["ssh"], "shell": "cmd", "disks_home": "C:\\x"}
    (folder / "home" / "_config" / "windows.json").write_text(json.dumps(other))
    (folder / "hosts.yml").write_text(
        json.dumps({"all": {"hosts": {name: variables for name, (variables, _) in HOSTS.items()}}})
    )
    (folder / "play.yml").write_text(
        json.dumps(
            [
                {
                    "hosts": "all",
                    "gather_facts": False,
                    "tasks": [
                        {
                            "callao.lima.instance_info": {"lima_home": str(folder / "home")},
                            "ignore_errors": True,
                        }
                    ],
                }
            ]
        )
    )
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
        **programs.settings(),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    }
    done = programs.run(
        "ansible-playbook",
        "-i",
        str(folder / "hosts.yml"),
        str(folder / "play.yml"),
        environment=environment,
    )
    assert sorted(path.name for path in (folder / "home").iterdir()) == ["_config"]
    found = {}
    for part in done.stdout.split("[ERROR]: Task failed")[1:] + done.stdout.split("fatal: [")[1:]:
        name = part.partition("]")[0]
        found[name] = part
    return found


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_missing_is_told(said: dict[str, str], host: str) -> None:
    import re

    assert re.search(HOSTS[host][1], said[host].replace("\\\\", "\\"), re.DOTALL), said[host]
