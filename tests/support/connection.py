# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible on instances, by the connection plugin, with nothing of the user's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.home import ROOT


def instances(name: str, **variables: Any) -> dict[str, Any]:
    """An inventory that has one instance, in the group ``guests``."""
    common = {"ansible_connection": "callao.lima.instance", "ansible_python_interpreter": "/usr/bin/python3"}
    return {"guests": {"hosts": {name: variables}, "vars": common}}


def run(
    program: str, inventory: dict[str, Any], *words: str, home: Path, control_dir: Path, **env: str
) -> subprocess.CompletedProcess[str]:
    """One of ansible's commands on that inventory."""
    hosts, config = control_dir / "hosts.yml", control_dir / "ansible.cfg"
    hosts.write_text(json.dumps(inventory))
    config.write_text("[defaults]\n")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment = {
        **kept,
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".dev"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control_dir),
        "ANSIBLE_TIMEOUT": "60",
        "LIMA_HOME": str(home),
        **env,
    }
    argv = [str(Path(sys.executable).with_name(program)), "-i", str(hosts), *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def boot_of(name: str, *, home: Path, control_dir: Path, **variables: Any) -> str:
    """What ``ansible`` says of the boot and the machine that it reaches; or why it reaches none."""
    words = ("guests", "-m", "raw", "-a", "cat /proc/sys/kernel/random/boot_id; cat /etc/machine-id")
    return run("ansible", instances(name, **variables), *words, home=home, control_dir=control_dir).stdout
