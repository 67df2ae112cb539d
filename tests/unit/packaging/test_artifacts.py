# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published: a wheel that alone makes the collection work, and a collection to install."""

from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment
from support.release import ROOT, run

GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())


def test_the_wheel_carries_its_own_engine(installed: Path, tmp_path: Path) -> None:
    found = run(installed, "-c", "import callao; print(callao.__file__)", cwd=tmp_path).strip()
    assert Path(found).is_relative_to(installed.parents[1])


def test_the_wheel_carries_the_templates(installed: Path, tmp_path: Path) -> None:
    names = run(
        installed, "-c", "from callao.templates import builtin_names; print(*builtin_names())", cwd=tmp_path
    ).split()
    assert {"default", "debian-12", "debian-13"} <= set(names)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("module", ["instance", "instance_info", "image"]),
        ("connection", ["instance"]),
        ("inventory", ["instances"]),
        ("role", ["devbox"]),
    ],
)
def test_ansible_doc_knows_what_the_wheel_brings(
    installed: Path, tmp_path: Path, kind: str, names: list[str]
) -> None:
    wanted = [f"callao.lima.{name}" for name in names]
    argv = ("-m", "ansible", "doc", "--json", "-t", kind, *wanted)
    shown = json.loads(run(installed, *argv, cwd=tmp_path, HOME=str(tmp_path)))
    assert sorted(shown) == sorted(wanted)


def test_an_installed_engine_makes_the_wheel_that_it_came_in(
    built: Path, installed: Path, tmp_path: Path
) -> None:
    said = json.loads(run(installed, "-m", "callao.wheel", tmp_path / "wheels", cwd=tmp_path))
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(said["path"]) as again:
        assert again.testzip() is None
        assert sorted(again.namelist()) == sorted(first.namelist())
        for name in first.namelist():
            assert name.endswith("RECORD") or again.read(name) == first.read(name), name
    assert Path(said["path"]).name == wheel.name
    assert said == json.loads(run(installed, "-m", "callao.wheel", tmp_path / "wheels", cwd=tmp_path))


def test_the_wheels_playbooks_are_found_by_name(installed: Path, tmp_path: Path) -> None:
    argv = ("playbook", "callao.lima.site", "callao.lima.down", "--syntax-check", "-i", "localhost,")
    shown = run(installed, "-m", "ansible", *argv, cwd=tmp_path, HOME=str(tmp_path))
    assert "site.yml" in shown
    assert "down.yml" in shown


def test_a_module_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    argv = ("adhoc", "localhost", "-m", "callao.lima.instance_info")
    shown = run(
        installed, "-m", "ansible", *argv, cwd=tmp_path, HOME=str(tmp_path), LIMA_HOME=str(tmp_path / "lima")
    )
    assert '"instances": []' in shown


def test_the_artifact_installs(artifact: Path, tmp_path: Path) -> None:
    argv = ("galaxy", "collection", "install", "--offline", "--force", "-p", tmp_path, artifact)
    run(sys.executable, "-m", "ansible", *argv, HOME=str(tmp_path))
    manifest = json.loads((tmp_path / "ansible_collections/callao/lima/MANIFEST.json").read_text())
    assert manifest["collection_info"]["version"] == GALAXY["version"]


def test_the_artifact_has_the_collection_and_nothing_else(artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        top = {name.partition("/")[0] for name in archive.getnames()}
    metadata = {"FILES.json", "MANIFEST.json", "LICENSE", "README.md"}
    assert top - {"CHANGELOG.rst"} == metadata | {
        "changelogs",
        "docs",
        "meta",
        "playbooks",
        "plugins",
        "roles",
    }


def test_engine_and_collection_have_one_version() -> None:
    from callao import __version__

    assert GALAXY["version"] == __version__


def test_the_digest_of_the_engine_is_told_to_pip_which_may_be_an_old_one() -> None:
    """pip before 23.1 notes none of its own for a file: the role would install the engine on each run."""
    variables = yaml.safe_load((ROOT / "roles/hypervisor/vars/main.yml").read_text())
    wheel = {"hypervisor_wheel": "/srv/a b/callao-1-py3-none-any.whl", "hypervisor_own": {"sha256": "00ff"}}
    url = Environment(autoescape=True).from_string(variables["hypervisor_wheel_url"]).render(wheel)
    assert url == "file:///srv/a%20b/callao-1-py3-none-any.whl#sha256=00ff"
    (install,) = [
        task["ansible.builtin.pip"]
        for task in yaml.safe_load((ROOT / "roles/hypervisor/tasks/install.yml").read_text())
        if task["name"] == "Install the engine"
    ]
    assert "hypervisor_wheel_url" in install["name"]
