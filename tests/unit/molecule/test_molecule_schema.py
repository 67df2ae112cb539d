# SPDX-License-Identifier: GPL-3.0-or-later
"""What a platform may say, by Molecule's own schema and ours together, as Molecule applies them."""

from __future__ import annotations

from typing import Any

import pytest
from molecule.model.schema_v3 import validate


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
    ],
)
def test_accepted(platform: dict[str, Any]) -> None:
    assert told(platform) == []


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
        ({"name": ""}, "name"),
    ],
)
def test_refused_with_the_place_or_the_value(platform: dict[str, Any], word: str) -> None:
    (error,) = told(platform)
    assert "platforms[0]" in error
    assert word in error


def test_an_option_that_the_driver_has_not_is_refused() -> None:
    assert told({}, options={"managed": True}) == []
    assert told({}, options={"login_cmd_template": "ssh"}) != []
