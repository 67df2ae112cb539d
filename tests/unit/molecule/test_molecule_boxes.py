# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms to instances and back; and that the create playbook hands on what there is."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import callao.molecule
from callao.molecule.boxes import PASSED_ON, boxes, owned, records
from callao.molecule.names import instance_name, owner

ROOM = Path(callao.molecule.__file__).parent
MODULE = Path(__file__).parents[3] / "plugins" / "modules" / "instance.py"
PLATFORM = {"name": "web", "groups": ["servers"]}
INSTANCE = {
    "name": "mol-web-1",
    "dir": "/home/ana/.lima/mol-web-1",
    "ssh": {
        "address": "127.0.0.1",
        "port": 60022,
        "user": "ana",
        "identity_file": "/home/ana/.lima/_config/user",
        "known_hosts_file": "/home/ana/.lima/mol-web-1/known_hosts",
        "host_key_alias": "lima-mol-web-1",
        "config_file": "/home/ana/.lima/mol-web-1/ssh.config",
    },
}


def options(**platform: Any) -> dict[str, Any]:
    (box,) = boxes([PLATFORM | platform], "/src/shop", "default", "/src/shop/molecule/default")
    return box["options"]


def test_a_box_knows_its_platform_and_whose_it_is() -> None:
    (box,) = boxes([PLATFORM], "/src/shop", "default", "/src/shop/molecule/default")
    assert box["platform"] == "web"
    assert box["options"]["name"] == instance_name("/src/shop", "default", "web")
    assert box["options"]["labels"] == {
        "molecule": owner("/src/shop"),
        "molecule_project": "/src/shop",
        "molecule_scenario": "default",
    }


def test_what_the_platform_says_is_passed_on_and_nothing_else() -> None:
    assert options(cpus=2, memory="1GiB", provision=[]).items() >= {"cpus": 2, "memory": "1GiB"}.items()
    assert set(options()) == {"name", "config", "labels", "warm"}


def test_a_box_is_warm_unless_somebody_says_otherwise() -> None:
    assert options()["warm"] is True
    assert options(warm=False)["warm"] is False
    assert "warm" not in options(config={"warm": False})


def test_an_image_goes_before_the_templates_own() -> None:
    config = {"plain": True, "images": [{"location": "/other"}]}
    assert options(image="/a.qcow2", config=config)["config"] == {
        "plain": True,
        "images": [{"location": "/a.qcow2"}],
    }


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("debian-12", "debian-12"),
        ("./box.yaml", "/src/shop/molecule/default/box.yaml"),
        ("../box.yaml", "/src/shop/molecule/box.yaml"),
        ("/abs/box.yaml", "/abs/box.yaml"),
        ("https://example.com/box.yaml", "https://example.com/box.yaml"),
    ],
)
def test_a_path_that_begins_with_a_dot_is_relative_to_the_scenario(given: str, found: str) -> None:
    assert options(template=given)["template"] == found
    assert options(image=given)["config"]["images"] == [{"location": found}]


def test_only_what_was_made_for_this_project_is_its_own() -> None:
    platforms = [{"name": name} for name in ("mine", "theirs", "unlabelled", "missing")]
    planned = boxes(platforms, "/src/shop", "default", "/src/shop/molecule/default")
    mine, theirs, unlabelled, _ = (box["options"]["name"] for box in planned)
    there = {
        mine: {"molecule": owner("/src/shop")},
        theirs: {"molecule": owner("/src/other")},
        unlabelled: {},
        "someones": {"molecule": owner("/src/shop")},
    }
    assert owned(planned, there) == [mine]


def test_a_record_says_how_to_reach_a_box() -> None:
    (box,) = boxes([PLATFORM], "/src/shop", "default", "/src/shop/molecule/default")
    (entry,) = records([(box, INSTANCE)])
    assert entry["instance"] == "web"
    assert entry["owner"] == owner("/src/shop")
    assert (entry["lima_home"], entry["lima_instance"]) == ("/home/ana/.lima", "mol-web-1")
    assert {"address", "user", "port", "identity_file"} <= set(entry)


def handed_on() -> dict[str, Any]:
    """The options that create.yml gives the module."""
    plays = yaml.safe_load((ROOM / "playbooks" / "create.yml").read_text())
    tasks = [task for play in plays for task in play["tasks"]]
    return next(task["callao.lima.instance"] for task in tasks if "callao.lima.instance" in task)


def test_the_create_playbook_hands_on_every_option() -> None:
    assert set(handed_on()) == {*PASSED_ON, "name", "config", "labels"}


def test_the_module_has_every_option_that_is_handed_on() -> None:
    spec = importlib.util.spec_from_file_location("instance_module", MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert set(handed_on()) <= set(documented)


def test_the_schema_has_every_key_that_is_passed_on() -> None:
    schema = json.loads((ROOM / "schema" / "driver.json").read_text())
    known = set(schema["$defs"]["platform"]["properties"])
    assert known == {*PASSED_ON, "name", "groups", "children", "image", "config"}
