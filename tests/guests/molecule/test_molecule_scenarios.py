# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule on real guests: our scenarios, the driver step by step, and several scenarios in one box."""

from __future__ import annotations

import os
import pty
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.home import ROOT, Golden, Home, temporary_home

from callao.instances import instance_names
from callao.ports import any_free

pytestmark = pytest.mark.guest

FOLDER = ROOT / "extensions" / "molecule"
RUNS = [("default", "shared"), ("service",), ("kernel",), ("multi-platform",)]
"""What one run of Molecule tests: a scenario with the one whose box it runs in."""

OFTEN = RUNS[:1]
"""In ``make test``, too."""

STEP_BY_STEP = "service"
"""It has a snapshot to return to. Its role does not run here: its work in a guest takes minutes."""


class Ground:
    """Molecule with a Lima home and an Ansible home of the test's own."""

    def __init__(self, home: Home, ansible_home: Path) -> None:
        self.home = home
        self.ansible_home = ansible_home
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_"))
        }
        self.environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LIMA_HOME": str(home.path),
            "ANSIBLE_HOME": str(ansible_home),
            "CALLAO_SCENARIO_TEMPLATE": home.template(**home.direct()),
            "CALLAO_SCENARIO_PORT": str(any_free()),
            "NO_COLOR": "1",
        }

    def run(self, *words: str, project: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "molecule", *words],
            cwd=project, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def molecule(self, *words: str, project: Path = ROOT) -> str:
        done = self.run(*words, project=project)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def login(self, scenario: str, typed: str) -> str:
        """What the terminal shows of a session; Molecule asks for a terminal."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.execve(
                sys.executable, [sys.executable, "-m", "molecule", "login", "-s", scenario], self.environment
            )
        os.write(terminal, typed.encode())
        shown = b""
        try:
            while part := os.read(terminal, 4096):
                shown += part
        except OSError:  # the other end is closed
            pass
        os.waitpid(pid, 0)
        os.close(terminal)
        return shown.decode(errors="replace")

    def records(self) -> list[Path]:
        return sorted((self.ansible_home / "tmp").glob("molecule.*/instance_config.yml"))


@pytest.fixture(scope="module")
def ground(golden: Golden) -> Iterator[Ground]:
    # Right under /tmp: control sockets have short names.
    ansible_home = Path(tempfile.mkdtemp(prefix="callao-", dir="/tmp"))
    with temporary_home(golden) as home:
        yield Ground(home, ansible_home)
        left = instance_names(home.path)
    shutil.rmtree(ansible_home)
    assert left == []


def test_every_scenario_is_run() -> None:
    there = {path.parent.name for path in FOLDER.glob("*/molecule.yml")}
    assert there == {name for run in RUNS for name in run}


@pytest.mark.parametrize(
    "scenarios",
    [pytest.param(run, marks=() if run in OFTEN else pytest.mark.long) for run in RUNS],
    ids="+".join,
)
def test_a_scenario_passes_and_leaves_nothing(ground: Ground, scenarios: tuple[str, ...]) -> None:
    ground.molecule("test", *(word for name in scenarios for word in ("-s", name)))
    assert instance_names(ground.home.path) == []
    assert ground.home.processes() == []
    assert ground.records() == []
    for page in (ground.ansible_home / "tmp").glob("molecule.*/timeline.html"):
        assert ">stop<" in page.read_text()


def test_the_driver_step_by_step(ground: Ground, tmp_path: Path) -> None:
    ground.molecule("create", "-s", STEP_BY_STEP)
    (name,) = instance_names(ground.home.path)
    (record,) = ground.records()
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert [entry["lima_instance"] for entry in yaml.safe_load(record.read_text())] == [name]
    listed = ground.molecule("list", "-s", STEP_BY_STEP, "--format", "plain")
    (line,) = [line for line in listed.splitlines() if "molecule-callao" in line]
    assert line.split()[-2:] == ["true", "false"]
    assert f"lima-{name}" in ground.login(STEP_BY_STEP, "uname -n; exit\n")

    ground.molecule("prepare", "-s", STEP_BY_STEP)
    assert ground.home.ssh(name, "touch left-by-a-role").returncode == 0
    ground.molecule("cleanup", "-s", STEP_BY_STEP)  # to the snapshot that prepare took
    assert ground.home.ssh(name, "test -e left-by-a-role").returncode == 1

    page = record.with_name("timeline.html").read_text()
    assert all(f">{each}<" in page for each in ("sshd", "ready", "snapshot"))

    namesake = tmp_path / ROOT.name
    shutil.copytree(FOLDER, namesake / "extensions" / "molecule")
    shutil.copy(ROOT / "galaxy.yml", namesake)
    refused = ground.run("destroy", "-s", STEP_BY_STEP, project=namesake)
    assert refused.returncode != 0
    assert "of another project" in refused.stdout + refused.stderr
    assert instance_names(ground.home.path) == [name]

    ground.molecule("reset", "-s", STEP_BY_STEP)
    assert instance_names(ground.home.path) == []
    assert ground.home.processes() == []
    assert not record.parent.exists()


CONVERGE = """
- hosts: {name}
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: of {scenario}
        dest: ~/{scenario}
        mode: "0600"
"""


def collection(folder: Path) -> Path:
    """A collection whose scenarios share the box of the scenario ``default``."""
    (folder / "galaxy.yml").write_text(
        "namespace: test\nname: shop\nversion: 1.0.0\nreadme: README.md\nauthors: []\n"
    )
    platform = {"name": "box", "template": "${CALLAO_SCENARIO_TEMPLATE}"}
    for name in ("default", "one", "two"):
        scenario = folder / "extensions" / "molecule" / name
        scenario.mkdir(parents=True)
        document = {
            "dependency": {"name": "galaxy", "enabled": False},
            "prerun": False,
            "shared_state": True,
            "driver": {"name": "molecule-callao"},
            "platforms": [platform],
        }
        (scenario / "molecule.yml").write_text(yaml.safe_dump(document))
        (scenario / "converge.yml").write_text(CONVERGE.format(name="box", scenario=name))
    return folder


@pytest.mark.long
def test_scenarios_share_a_box_and_run_in_it_side_by_side(ground: Ground, tmp_path: Path) -> None:
    said = ground.molecule("test", "--all", "--workers", "2", project=collection(tmp_path))
    assert all(f"{name} > converge: Executed: Successful" in said for name in ("default", "one", "two"))
    assert said.count("> create: Executed: Successful") == 1
    assert instance_names(ground.home.path) == []
    assert ground.home.processes() == []
    assert ground.records() == []
