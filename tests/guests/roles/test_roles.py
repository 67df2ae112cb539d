# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles that prepare a host and build an image, on this host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from support.home import CACHE, Golden

import callao

pytestmark = pytest.mark.guest

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: callao.lima.{role}
      vars: {variables}
    - ansible.builtin.copy:
        content: >-
          {{{{ {{'python': ansible_python_interpreter | default(''),
                 'image': golden_image_path | default('')}} | to_json }}}}
        dest: "{result}"
        mode: "0644"
"""


def play(folder: Path, role: str, variables: dict[str, Any], *options: str) -> tuple[str, dict[str, str]]:
    """Run a role; returns the recap's line and what it set."""
    result = folder / "result.json"
    text = PLAY.format(role=role, variables=json.dumps(variables), result=result)
    (folder / "play.yml").write_text(text)
    program = Path(sys.executable).with_name("ansible-playbook")
    argv = [str(program), str(folder / "play.yml"), *options]
    environment = {**os.environ, "LIMA_HOME": str(CACHE), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    recap = done.stdout.strip().splitlines()[-1]
    return recap, json.loads(result.read_text()) if result.exists() else {}


def test_an_image_that_is_there_is_not_built_again(golden: Golden, tmp_path: Path) -> None:
    _, said = play(tmp_path, "golden_image", {"golden_image_python": sys.executable})
    assert said["image"] == str(golden.disk)
    recap, _ = play(tmp_path, "golden_image", {"golden_image_python": sys.executable})
    assert "changed=0" in recap
    assert "failed=0" in recap


def test_check_mode_tells_a_build_and_builds_nothing(tmp_path: Path) -> None:
    variables = {
        "golden_image_python": sys.executable,
        "golden_image_release": "13",
        "golden_image_kernel": "generic",
    }
    before = sorted(path.name for path in (CACHE / "_golden").iterdir())
    play(tmp_path, "golden_image", variables, "--check")
    assert sorted(path.name for path in (CACHE / "_golden").iterdir()) == before


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment with what the engine depends on, so that no index is asked; and with another engine."""
    folder, packages = tmp_path / "venv", tmp_path / "packages"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    packages.mkdir()
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if "callao" not in each.name and each.suffix != ".pth":
            (packages / each.name).symlink_to(each)
    (site,) = folder.glob("lib/python3*/site-packages")
    (site / "packages.pth").write_text(f"{packages}\n")
    # An engine of the same version, which is another one all the same.
    info = site / f"callao-{callao.__version__}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: callao\nVersion: {callao.__version__}\n")
    (info / "INSTALLER").write_text("pip\n")
    (info / "RECORD").write_text(
        "".join(f"{info.name}/{name},,\n" for name in ("METADATA", "INSTALLER", "RECORD"))
    )
    return folder


def test_a_hypervisor_gets_the_controllers_own_engine_once(venv: Path, tmp_path: Path) -> None:
    variables = {
        "hypervisor_venv": str(venv),
        "hypervisor_python": sys.executable,
        "hypervisor_pip_args": "--no-index",
    }
    recap, said = play(tmp_path, "hypervisor", variables)
    assert "changed=0" not in recap
    assert said["python"] == str(venv / "bin" / "python")
    asked = "import callao.lifecycle, ansible_collections.callao.lima; print(callao.__file__)"
    done = subprocess.run([said["python"], "-c", asked], check=True, capture_output=True, text=True)
    assert Path(done.stdout.strip()).is_relative_to(venv)
    recap, _ = play(tmp_path, "hypervisor", variables)
    assert "changed=0" in recap
