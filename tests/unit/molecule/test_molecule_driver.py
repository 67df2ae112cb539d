# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver, asked as Molecule asks it: also when there is nothing to know yet."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from molecule.exceptions import MoleculeError

from callao.molecule.driver import Callao
from callao.molecule.names import owner


@pytest.fixture
def driver(tmp_path: Path) -> Callao:
    """The driver of a scenario; what it asks Molecule for is paths and molecule.yml."""
    (tmp_path / "ephemeral").mkdir()
    config = SimpleNamespace(
        molecule_file="molecule.yml",
        config_data={"driver": {"options": {}}, "platforms": [{"name": "web"}]},
        project_directory=str(tmp_path / "project"),
        scenario=SimpleNamespace(ephemeral_directory=str(tmp_path / "ephemeral")),
    )
    return Callao(config)


def remember(driver: Callao, **changes: Any) -> None:
    entry = {
        "instance": "web",
        "owner": owner(driver._config.project_directory),
        "lima_instance": "mol-web-1",
        "lima_home": "/home/ana/.lima",
        "host_key_alias": "lima-mol-web-1",
        "config_file": "/home/ana/my boxes/ssh.config",
    }
    Path(driver.instance_config).write_text(yaml.safe_dump([entry | changes]))


def test_it_can_be_listed_without_a_configuration() -> None:
    assert Callao(None).name == "molecule-callao"


def test_the_record_of_the_run_outlives_the_scenario(driver: Callao) -> None:
    folder = Path(driver.instance_config).parent
    assert driver.default_safe_files == [str(folder / "timeline.jsonl"), str(folder / "timeline.html")]


def test_before_create_there_are_no_options(driver: Callao) -> None:
    assert driver.ansible_connection_options("web") == {}
    assert driver.login_options("web") == {"instance": "web"}


@pytest.mark.parametrize("text", ["", "{}\n", "[]\n", "a: [\n", "- instance: other\n"])
def test_a_record_that_says_nothing_is_no_error(driver: Callao, text: str) -> None:
    Path(driver.instance_config).write_text(text)
    assert driver.ansible_connection_options("web") == {}


def test_after_create_the_connection_plugin_is_told_the_instance(driver: Callao) -> None:
    remember(driver)
    assert driver.ansible_connection_options("web") == {
        "ansible_connection": "callao.lima.instance",
        "lima_instance": "mol-web-1",
        "lima_home": "/home/ana/.lima",
    }


def test_login_survives_a_path_with_a_space(driver: Callao) -> None:
    remember(driver)
    command = driver.login_cmd_template.format(**driver.login_options("web"))
    assert shlex.split(command)[-2:] == ["/home/ana/my boxes/ssh.config", "lima-mol-web-1"]


def test_another_projects_boxes_are_not_touched(driver: Callao) -> None:
    remember(driver, owner=owner("/another/project"))
    assert driver.ansible_connection_options("web") == {}
    with pytest.raises(MoleculeError, match="of another project"):
        driver.sanity_checks()


def test_this_projects_boxes_pass(driver: Callao) -> None:
    driver.sanity_checks()
    remember(driver)
    driver.sanity_checks()


def test_mistakes_of_all_platforms_are_told_by_their_names(driver: Callao) -> None:
    driver._config.config_data["platforms"] = [{"name": "web", "cpus": 0}, {"name": "db", "memroy": "1GiB"}]
    with pytest.raises(MoleculeError) as refused:
        driver.sanity_checks()
    file, *told = str(refused.value).splitlines()
    assert file == "molecule.yml:"
    assert [line.partition(": ")[0] for line in told] == ["platform 'web'", "platform 'db'"]


@pytest.mark.parametrize("step", ["create", "destroy"])
def test_it_brings_playbooks(driver: Callao, step: str) -> None:
    assert Path(driver.get_playbook(step) or "").is_file()


@pytest.mark.parametrize("step", ["prepare", "cleanup"])
def test_a_snapshot_is_taken_and_returned_to_only_where_one_is_named(driver: Callao, step: str) -> None:
    assert driver.get_playbook(step) is None
    driver._config.config_data["driver"]["options"]["snapshot"] = "pristine"
    assert Path(driver.get_playbook(step) or "").is_file()


def test_it_asks_for_no_collection_that_came_with_it(driver: Callao) -> None:
    # ansible-compat would look for a MANIFEST.json, which only ansible-galaxy writes.
    assert driver.required_collections == {}
