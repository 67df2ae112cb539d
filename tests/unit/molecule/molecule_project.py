# SPDX-License-Identifier: GPL-3.0-or-later
"""A project with one scenario, and Molecule on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

TEMPLATE = (
    "images:\n- location: /nowhere.qcow2\nvmType: qemu\narch: x86_64\ncpus: 2\nmemory: 1GiB\ndisk: 3GiB\n"
)


class Project:
    """With a Lima home and an Ansible home of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "project"
        self.lima = folder / "lima"
        self.ansible = folder / "ansible"
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_"))
        }
        self.environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LIMA_HOME": str(self.lima),
            "ANSIBLE_HOME": str(self.ansible),
            "NO_COLOR": "1",
        }

    def scenario(self, **document: object) -> None:
        folder = self.path / "molecule" / "default"
        folder.mkdir(parents=True)
        common = {"dependency": {"name": "galaxy", "enabled": False}, "prerun": False}
        (folder / "molecule.yml").write_text(yaml.safe_dump(common | document))
        (folder / "converge.yml").write_text("- hosts: all\n  gather_facts: false\n  tasks: []\n")

    def instance(self, name: str, **labels: str) -> Path:
        """One that is made up, and stopped."""
        folder = self.lima / name
        folder.mkdir(parents=True)
        (folder / "lima.yaml").write_text(TEMPLATE)
        (folder / "callao.json").write_text(json.dumps({"template": "", "labels": labels}))
        return folder

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "molecule", *words],
            cwd=self.path, env=self.environment | environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def molecule(self, *words: str, **environment: str) -> str:
        done = self.run(*words, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr
