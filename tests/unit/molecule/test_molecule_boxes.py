# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms to instances and back; and that the engine is asked for all that a platform says."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

import callao.molecule
from callao.errors import CallaoError
from callao.lifecycle import Request
from callao.molecule.bring_up import request_of
from callao.molecule.instances import PASSED_ON, owned, planned_instances, records
from callao.molecule.names import instance_name, owner
from callao.offline import NetworkAccess

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
    (box,) = planned_instances([PLATFORM | platform], "/src/shop", "default", "/src/shop/molecule/default")
    return box["options"]


def test_a_box_knows_its_platform_and_whose_it_is() -> None:
    (box,) = planned_instances([PLATFORM], "/src/shop", "default", "/src/shop/molecule/default")
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


def test_labels_of_a_platform_stand_beside_the_drivers_own() -> None:
    labels = options(labels={"team": "web", "molecule": "somebody else's"})["labels"]
    assert (labels["team"], labels["molecule"]) == ("web", owner("/src/shop"))


def test_two_platforms_of_one_name_are_refused() -> None:
    with pytest.raises(CallaoError, match="platforms: web: two platforms of one name"):
        planned_instances([PLATFORM, PLATFORM], "/src/shop", "default", "/src/shop/molecule/default")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"name": "user-v2"}, {"lima": "user-v2"}),
        ({"name": "user-v2", "interface": "lab0"}, {"lima": "user-v2", "interface": "lab0"}),
        ({"name": "lab", "socket": "/run/lab.sock"}, {"socket": "/run/lab.sock"}),
        ({"lima": "user-v2"}, {"lima": "user-v2"}),
    ],
)
def test_the_name_that_molecule_asks_of_a_network_is_limas(
    given: dict[str, str], found: dict[str, str]
) -> None:
    assert options(networks=[given])["networks"] == [found]


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
    planned = planned_instances(platforms, "/src/shop", "default", "/src/shop/molecule/default")
    mine, theirs, unlabelled, _ = (box["options"]["name"] for box in planned)
    there = {
        mine: {"molecule": owner("/src/shop")},
        theirs: {"molecule": owner("/src/other")},
        unlabelled: {},
        "someones": {"molecule": owner("/src/shop")},
    }
    assert owned(planned, there) == [mine]


def test_a_record_says_how_to_reach_a_box() -> None:
    (box,) = planned_instances([PLATFORM], "/src/shop", "default", "/src/shop/molecule/default")
    (entry,) = records([(box, INSTANCE)])
    assert entry["instance"] == "web"
    assert entry["owner"] == owner("/src/shop")
    assert (entry["lima_home"], entry["lima_instance"]) == ("/home/ana/.lima", "mol-web-1")
    assert {"address", "user", "port", "identity_file"} <= set(entry)


EXAMPLES = {
    "arch": "aarch64",
    "cpus": 3,
    "disk": "9GiB",
    "disks": [{"name": "data", "size": "1GiB"}],
    "from": "base@clean",
    "hostname": "shop",
    "lock": "/src/shop/callao.lock",
    "memory": "3GiB",
    "mounts": [{"location": "/srv"}],
    "networks": [{"socket": "/run/net.sock"}],
    "offline": True,
    "plain": True,
    "port_forwards": [{"guestPort": 80}],
    "provision": [{"mode": "user", "script": "true"}],
    "ssh": {"localPort": 60022},
    "template": "alpine",
    "timeout": 7.0,
    "user": {"name": "ana"},
    "vm_type": "krunkit",
    "warm": False,
}


@pytest.mark.parametrize("key", PASSED_ON)
def test_every_option_that_is_passed_on_is_asked_for(key: str) -> None:
    plain, asked = request_of(options()), request_of(options(**{key: EXAMPLES[key]}))
    named = [getattr(asked, field.name) for field in fields(Request)]
    assert asked != plain
    lock = str(asked.lock) if asked.lock else None
    assert EXAMPLES[key] in [*named, *asked.config.values(), asked.access is NetworkAccess.OFFLINE, lock]


def test_what_is_asked_for_is_what_the_module_asks_for() -> None:
    module = load(MODULE.parents[1] / "module_utils" / "_lima_yaml.py")
    given = options(**EXAMPLES, config={"cpus": 1, "timezone": "UTC"})
    params = {key: given.get(key) for key in module.SHORTCUTS} | {"config": given["config"]}
    assert request_of(given).config == module.partial_lima_yaml(params)


def test_the_module_has_every_option_that_is_passed_on() -> None:
    folder = MODULE.parents[1] / "doc_fragments"
    own = yaml.safe_load(instance_module().DOCUMENTATION)
    documented = dict(own["options"])
    for name in own["extends_documentation_fragment"]:
        fragment = load(folder / f"{name.rpartition('.')[2]}.py").ModuleDocFragment
        documented |= yaml.safe_load(fragment.DOCUMENTATION).get("options", {})
    assert {*PASSED_ON, "name", "config", "labels"} <= set(documented)


def instance_module() -> Any:
    return load(MODULE)


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schema_has_every_key_that_is_passed_on() -> None:
    schema = json.loads((ROOM / "schema" / "platform.json").read_text())
    known = set(schema["properties"])
    assert known == {*PASSED_ON, "name", "groups", "children", "image", "config", "labels"}
