# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's commands with the driver installed: none is broken, and nobody else's instances are removed."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
from molecule_project import Project

from callao.molecule.names import instance_name, owner

ENGINE_NEEDS = ("msgspec", "filelock", "psutil", "qemu", "pycdlib", "testinfra")


def test_the_distribution_is_called_as_the_package_of_its_entry_point() -> None:
    # Molecule asks for the version of a driver by its top-level package.
    (entry,) = importlib.metadata.entry_points(group="molecule.driver", name="molecule-callao")
    assert entry.dist is not None
    assert entry.dist.name == entry.module.partition(".")[0]
    assert entry.load().__name__ == "Callao"


def test_the_rest_of_the_room_does_without_molecule() -> None:
    program = (
        "import sys; sys.modules['molecule'] = None\n"
        "import callao.molecule.instances, callao.molecule.names, callao.molecule.reset"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_driver_needs_nothing_of_the_engine_to_be_imported() -> None:
    program = (
        "import json, sys\nimport callao.molecule.driver\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('callao.')]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert sorted(json.loads(done.stdout.strip().splitlines()[-1])) == [
        "callao.molecule",
        "callao.molecule.driver",
        "callao.molecule.names",
    ]


@pytest.mark.parametrize(
    "words",
    [("drivers",), ("list",), ("matrix", "test"), ("syntax",), ("create",), ("destroy",), ("reset",)],
)
def test_commands_of_other_drivers_work_where_the_engine_cannot(
    project: Project, tmp_path: Path, words: tuple[str, ...]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ENGINE_NEEDS:
        (broken / f"{name}.py").write_text("raise ImportError('broken')\n")
    project.scenario(driver={"name": "default"}, platforms=[{"name": "web"}])
    project.instance("somebodys")
    said = project.molecule(*words, PYTHONPATH=str(broken))
    assert "Traceback" not in said


def test_list_shows_the_platforms_before_there_is_anything(project: Project) -> None:
    project.scenario(driver={"name": "molecule-callao"}, platforms=[{"name": "web"}, {"name": "db"}])
    shown = project.molecule("list", "--format", "plain")
    assert [line.split()[:2] for line in shown.splitlines() if "molecule-callao" in line] == [
        ["web", "molecule-callao"],
        ["db", "molecule-callao"],
    ]


def test_destroy_removes_what_was_made_for_the_scenario_and_nothing_else(project: Project) -> None:
    platforms = [{"name": "web"}, {"name": "db"}]
    project.scenario(driver={"name": "molecule-callao"}, platforms=platforms)
    web, db, older = (instance_name(project.path, "default", name) for name in ("web", "db", "older"))
    made = project.instance(web, molecule=owner(project.path))
    kept = [
        project.instance(db, molecule=owner("/another")),
        project.instance(older, molecule=owner(project.path)),
        project.instance("web"),
    ]
    project.molecule("destroy")
    assert not made.exists()
    assert all(folder.exists() for folder in kept)


def record(project: Project, text: str) -> Path:
    """Molecule's record of the scenario's boxes, as create.yml would have left it."""
    project.molecule("list")
    (folder,) = (project.ansible / "tmp").glob("molecule.*")
    path = folder / "instance_config.yml"
    path.write_text(text)
    return path


def test_destroy_removes_by_the_record_in_the_home_that_it_names(project: Project, tmp_path: Path) -> None:
    project.scenario(driver={"name": "molecule-callao"}, platforms=[{"name": "web"}])
    other = tmp_path / "other"
    made = project.instance("mol-web-1", molecule=owner(project.path))
    other.mkdir()
    made = made.rename(other / "mol-web-1")
    entry = {"instance": "web", "lima_instance": "mol-web-1", "owner": owner(project.path)}
    path = record(project, json.dumps([{**entry, "lima_home": str(other)}]))
    project.molecule("destroy")
    assert not made.exists()
    assert not path.exists()


@pytest.mark.parametrize("readable", [True, False])
def test_destroy_fails_and_says_so_where_it_cannot_reach_a_box(
    project: Project, tmp_path: Path, *, readable: bool
) -> None:
    project.scenario(driver={"name": "molecule-callao"}, platforms=[{"name": "web"}])
    entry = {"instance": "web", "lima_instance": "mol-web-1", "owner": owner(project.path)}
    away = str(tmp_path / "not-mounted")
    path = record(project, json.dumps([{**entry, "lima_home": away}]) if readable else "- instance: [\n")
    done = project.run("destroy")
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert (f"mol-web-1: it was made in {away}, which cannot be reached now" in said) is readable
    assert ("cannot be read" in said) is not readable
    assert path.exists()


def test_ansible_native_list_shows_the_scenarios_own_boxes(project: Project) -> None:
    project.scenario(
        driver={"name": "default", "options": {"login_cmd_template": "callao shell {instance}"}},
        ansible={
            "executor": {
                "args": {"ansible_playbook": ["--inventory=${MOLECULE_SCENARIO_DIRECTORY}/inventory/"]}
            }
        },
    )
    inventory = project.path / "molecule" / "default" / "inventory"
    inventory.mkdir()
    ours = Path(__file__).parents[3] / "extensions/molecule/kernel/inventory/boxes.callao.yml"
    (inventory / ours.name).write_text(ours.read_text())
    project.instance("mine", scenario="kernel")
    project.instance("somebodys")
    shown = project.molecule("list", "--format", "plain")
    assert "mine" in shown
    assert "somebodys" not in shown


def test_destroy_starts_no_task_where_there_is_nothing_to_remove(project: Project) -> None:
    project.scenario(driver={"name": "molecule-callao"}, platforms=[{"name": "web"}])
    project.instance("web")
    shown = project.molecule("destroy")
    assert "TASK [End where there is nothing to remove]" in shown
    assert shown.count("TASK [") == 1, shown


def test_reset_removes_what_was_made_for_the_project_and_nothing_else(project: Project) -> None:
    project.scenario(driver={"name": "molecule-callao"}, platforms=[{"name": "web"}])
    made = [project.instance(name, molecule=owner(project.path)) for name in ("mol-web-1", "mol-older-2")]
    kept = [project.instance("mol-web-3", molecule=owner("/another")), project.instance("web")]
    project.molecule("reset")
    assert not any(folder.exists() for folder in made)
    assert all(folder.exists() for folder in kept)
