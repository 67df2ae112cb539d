# SPDX-License-Identifier: GPL-3.0-or-later
"""What a platform may say, by Molecule's own schema and ours together, as Molecule applies them."""

from __future__ import annotations

from typing import Any

import pytest
from molecule.model.schema_v3 import validate

from callao.molecule.platforms import problems


def told(platform: dict[str, Any], **driver: Any) -> list[str]:
    document = {
        "driver": {"name": "molecule-callao", **driver},
        "platforms": [{"name": "web", **platform}],
    }
    return validate(document)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "platform",
    [
        {},
        {"groups": ["servers"], "children": ["web_servers"]},
        {"template": "debian-12", "image": "/a.qcow2"},
        {"image": None},
        {"cpus": 2, "memory": "1GiB", "disk": "10 GB"},
        {"arch": "aarch64", "vm_type": "vz"},
        {"mounts": [{"location": "~", "writable": True}]},
        {"port_forwards": [{"guestPort": 80, "hostPort": 8080}]},
        {"provision": [{"mode": "system", "script": "#!/bin/sh\ntrue\n"}]},
        {"config": {"networks": [{"lima": "user-v2"}]}},
        {"warm": False, "offline": True, "timeout": 900},
        {"networks": [{"name": "user-v2"}, {"name": "lab", "socket": "/run/lab.sock"}]},
        {"user": {"name": "ana"}, "ssh": {"localPort": 60022}, "plain": True, "hostname": "shop"},
        {"labels": {"team": "web", "ticket": 12}, "from": "base@clean", "lock": "./callao.lock"},
    ],
)
def test_accepted(platform: dict[str, Any]) -> None:
    assert told(platform) == []
    assert problems([{"name": "web", **platform}]) == []


@pytest.mark.parametrize(
    ("platform", "word"),
    [
        ({"memroy": "1GiB"}, "memroy"),
        ({"memory": 1024}, "memory"),
        ({"memory": "much"}, "much"),
        ({"cpus": 0}, "cpus"),
        ({"cpus": "2"}, "cpus"),
        ({"arch": "amd64"}, "amd64"),
        ({"vm_type": "virtualbox"}, "virtualbox"),
        ({"mounts": ["~"]}, "mounts"),
        ({"provision": "echo"}, "provision"),
        ({"warm": "yes"}, "warm"),
        ({"timeout": 0}, "timeout"),
        ({"hostname": 3}, "hostname"),
        ({"networks": [{"lima": "user-v2"}]}, "networks[0]"),
    ],
)
def test_refused_by_the_platforms_name_with_the_place_or_the_value(
    platform: dict[str, Any], word: str
) -> None:
    (error,) = problems([{"name": "web", **platform}])
    assert error.startswith("platform 'web': ")
    assert word in error


def test_a_key_that_is_nearly_right_is_told_with_the_right_one() -> None:
    (error,) = problems([{"name": "web", "memroy": "1GiB"}])
    assert error.startswith("platform 'web': memroy: no such key (did you mean memory? allowed: name, ")


def test_all_mistakes_of_all_platforms_are_told_at_once() -> None:
    wrong = [{"name": "web", "cpus": 0, "disk": 3}, {"name": "db", "mounts": [3]}, {"name": "web"}]
    assert [error.split(": ")[:2] for error in problems(wrong)] == [
        ["platform 'web'", "cpus"],
        ["platform 'web'", "disk"],
        ["platform 'db'", "mounts[0]"],
        ["platform 'web'", "two platforms of one name (allowed"],
    ]


def test_a_platform_without_a_name_is_told_by_molecule() -> None:
    assert told({"name": ""}) != []


def test_an_option_that_the_driver_has_not_is_refused() -> None:
    assert told({}, options={"managed": True, "snapshot": "pristine"}) == []
    assert told({}, options={"snapshot": "not a name"}) != []
    assert told({}, options={"login_cmd_template": "ssh"}) != []
