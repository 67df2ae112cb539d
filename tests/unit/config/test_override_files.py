# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's two files around a template: Lima's rules, by table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callao.config import effective, merge_override_files, unused_parameters
from callao.errors import ConfigError, Problem
from callao.host import Host, HostUser

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "Europe/Lisbon")
IMAGES = [{"location": "/i"}]


def filled(document: dict[str, Any], host: Host = HOST, **more: Any) -> Any:
    return effective({"images": IMAGES, **document}, host, name="x", instance_dir=Path("/h/x"), **more)


@pytest.mark.parametrize(
    ("override", "template", "default", "laid"),
    [
        ({"cpus": 1}, {"cpus": 2}, {"cpus": 3, "disk": "1GiB"}, {"cpus": 1, "disk": "1GiB"}),
        ({"cpus": None}, {"cpus": 2}, {}, {"cpus": 2}),
        ({}, {"cpus": 0}, {"cpus": 3}, {"cpus": 0}),
        ({"ssh": {"forwardAgent": False}}, {"ssh": {"forwardAgent": True}}, {"ssh": {"forwardX11": True}},
         {"ssh": {"forwardAgent": False, "forwardX11": True}}),
        ({"provision": ["o"]}, {"provision": ["y"]}, {"provision": ["d"]}, {"provision": ["o", "y", "d"]}),
        ({"mounts": ["o"]}, {"mounts": ["y"]}, {"mounts": ["d"]}, {"mounts": ["d", "y", "o"]}),
        ({"networks": ["o"]}, {"networks": ["y"]}, {}, {"networks": ["y", "o"]}),
        ({"caCerts": {"files": ["a", "o"]}}, {"caCerts": {"files": ["a"]}}, {"caCerts": {"files": ["d"]}},
         {"caCerts": {"files": ["d", "a", "o"]}}),
        ({"dns": []}, {"dns": ["10.0.0.1"]}, {"dns": ["10.0.0.2"]}, {"dns": ["10.0.0.1"]}),
        ({"env": {"A": "o"}}, {"env": {"A": "y", "B": "y"}}, {"env": {"C": "d"}},
         {"env": {"A": "o", "B": "y", "C": "d"}}),
        ({}, {"vmOpts": {"qemu": {"minimumVersion": "8.0.0"}}},
         {"vmOpts": {"qemu": {"cpuType": {}}, "vz": {}}},
         {"vmOpts": {"qemu": {"minimumVersion": "8.0.0"}, "vz": {}}}),
        ({"message": "o", "base": "b", "minimumLimaVersion": "9.0.0"}, {"message": "y"},
         {"cpuType": {}, "rosetta": {}}, {"message": "y"}),
    ],
)  # fmt: skip
def test_each_kind_of_field_has_its_rule(override: Any, template: Any, default: Any, laid: Any) -> None:
    assert merge_override_files(template, override=override, default=default) == laid


def test_a_wildcard_disk_of_the_users_files_is_refused_because_only_bases_have_wildcards() -> None:
    document = merge_override_files({}, override={"additionalDisks": ["*"]}, default={})
    with pytest.raises(ConfigError, match=r"additionalDisks\[0\].name: '\*': cannot be a disk's name"):
        filled(document)


def test_what_is_of_another_kind_is_left_for_validation() -> None:
    assert merge_override_files({"env": ["x"]}, override={"env": {"A": "1"}}, default={}) == {
        "env": {"A": "1"}
    }
    assert merge_override_files({"mounts": "x"}, override={}, default={"mounts": []}) == {"mounts": "x"}


def test_mounts_of_one_point_are_one_and_the_first_location_stays() -> None:
    config = filled(
        {
            "mounts": [
                {"location": "{{.Home}}/src/", "9p": {"cache": "none"}},
                {"location": "/srv/b", "mountPoint": "/home/ann/src", "writable": True},
                {"location": "~/src", "9p": {"msize": "64KiB"}},
            ]
        }
    )
    (mount,) = config.mounts
    assert (mount.location, mount.mount_point, mount.writable) == ("/home/ann/src", "/home/ann/src", True)
    assert (mount.p9.cache, mount.p9.msize) == ("none", 64 * 1024)


def test_templates_know_the_host_or_the_guest_by_where_they_stand() -> None:
    config = filled(
        {
            "user": {"name": "eve", "uid": 2000, "home": "/home/{{.User}}.{{.Name}}"},
            "mounts": [{"location": "{{.TempDir}}/{{.User}}", "mountPoint": "{{.Home}}/{{.Hostname}}"}],
            "portForwards": [{"guestSocket": "/run/{{.UID}}", "hostSocket": "{{.Dir}}/{{.UID}}"}],
            "copyToHost": [{"guest": "{{.Home}}/k", "host": "{{.LimaHome}}/{{.Instance}}/k"}],
            "provision": [
                {"script": "id {{.User}} {{.Param.p}}"},
                {"mode": "data", "path": "{{.Home}}/f", "owner": "{{.User}}", "content": "{{len .Name}}"},
            ],
            "probes": [{"script": "#!/bin/sh\n{{if eq .UID 2000}}true{{end}}", "hint": "{{.User}}"}],
            "param": {"p": "{{.User}}"},
        },
        replace(HOST, temporary="/var/tmp"),
    )
    assert config.user.home == "/home/eve.x"
    assert config.mounts[0].location == "/var/tmp/ann"
    assert config.mounts[0].mount_point == "/home/eve.x/lima-x"
    assert config.port_forwards[0].guest_socket == "/run/2000"
    assert config.port_forwards[0].host_socket == "/h/x/1001"
    assert (config.copy_to_host[0].guest, config.copy_to_host[0].host) == ("/home/eve.x/k", "/h/x/k")
    assert config.provision[0].script == "id eve {{.User}}"
    assert (config.provision[1].path, config.provision[1].owner) == ("/home/eve.x/f", "eve")
    assert config.provision[1].content == "1"
    assert config.probes[0].script == "#!/bin/sh\ntrue"
    assert config.probes[0].hint == "{{.User}}"


def test_a_script_that_is_no_template_stays_with_a_warning() -> None:
    warnings: list[Problem] = []
    script = "docker ps --format '{{json .}}'"
    config = filled({"provision": [{"script": script}], "message": "{{.Nosuch}}"}, warn=warnings.append)
    assert config.provision[0].script == script
    assert [(each.path, "stays as it is" in each.message) for each in warnings] == [
        ("provision[0].script", True),
        ("message", True),
    ]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"mounts": [{"location": "/x/{{.Nosuch}}"}]}, "mounts[0].location"),
        ({"mounts": [{"location": "/x", "mountPoint": "/m/{{"}]}, "mounts[0].mountPoint"),
        ({"portForwards": [{"guestSocket": "/s", "hostSocket": "{{end}}"}]}, "portForwards[0].hostSocket"),
        ({"copyToHost": [{"guest": "/{{.Dir}}", "host": "/h"}]}, "copyToHost[0].guest"),
        ({"user": {"home": "/h/{{.Home}}"}}, "user.home"),
        ({"provision": [{"mode": "data", "path": "/{{nosuch}}", "content": "x"}]}, "provision[0].path"),
    ],
)
def test_a_path_that_is_no_template_is_refused(document: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        filled(document)
    assert place in [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("entry", "used"),
    [
        ({"provision": [{"script": "echo $PARAM_a"}]}, True),
        ({"provision": [{"script": "echo {{ .Param.a | len }}"}]}, True),
        ({"provision": [{"script": "{{.Param.a}} {{nosuch}}"}]}, True),
        ({"mounts": [{"location": "/{{$.Param.a}}"}]}, True),
        ({"provision": [{"script": "echo $PARAM_ab $XPARAM_a {{.Param.ab}}"}]}, False),
        ({"provision": [{"script": "{{/* .Param.a */}}"}]}, False),
        ({"env": {"B": "{{.Param.a}}"}, "message": "{{.Param.a}}"}, False),
        ({"provision": "x", "mounts": [None]}, False),
    ],
)
def test_a_parameter_is_used_where_a_template_or_a_variable_names_it(entry: Any, used: bool) -> None:
    assert [problem.path for problem in unused_parameters({"a": "v"}, [entry])] == (
        [] if used else ["param.a"]
    )
