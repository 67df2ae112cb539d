# SPDX-License-Identifier: GPL-3.0-or-later
"""``message``: the instance as Lima's structures have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.config import effective, message
from callao.host import Host, HostUser

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "Europe/Lisbon")


def told(text: str) -> str:
    document = {
        "images": [{"location": "/i.img"}],
        "cpus": 2,
        "memory": "2GiB",
        "mounts": [{"location": "/srv/a", "writable": True}, {"location": "/srv/b"}],
        "portForwards": [{"guestPort": 8080, "hostIP": "0.0.0.0"}],
        "networks": [{"socket": "/s", "interface": "n0"}],
        "param": {"p": "v"},
        "message": text,
    }
    directory = Path("/h/x")
    config = effective(document, HOST, name="x", instance_dir=directory)
    return message(config, HOST, name="x", instance_dir=directory)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{.Name}} {{.Hostname}} {{.Dir}} {{.Instance.Name}}", "x lima-x /h/x x"),
        ("{{.CPUs}} {{.Memory}} {{.Config.CPUs}} {{.Config.Memory}}", "2 2147483648 2 2GiB"),
        ("{{range .Config.Mounts}}{{.Location}}{{if .Writable}}!{{end}} {{end}}", "/srv/a! /srv/b "),
        ("{{range .Config.PortForwards}}{{.GuestPort}} {{.HostIP}} {{.HostPortRange}}{{end}}",
         "8080 0.0.0.0 [8080 8080]"),
        ("{{(index .Networks 0).Interface}} {{len .Config.Images}}", "n0 1"),
        ("{{if .Config.Plain}}plain{{else}}not plain{{end}}", "not plain"),
        ("{{.Config.MinimumLimaVersion}} {{.Config.VMOpts.vz.nosuch}}", "<nil> <no value>"),
        ("{{.IdentityFile}} {{.LimaHome}} {{.HostOS}}", "/h/_config/user /h linux"),
        ('{{"{{"}}.Name{{"}}"}} {{.Param.p}}', "{{.Name}} v"),
        ("{{.Nosuch}}", "{{.Nosuch}}"),
        ("{{.User}} {{", "{{.User}} {{"),
        ("{{eq .Config.CPUs 2}}", "{{eq .Config.CPUs 2}}"),
    ],
)  # fmt: skip
def test_a_message_sees_the_instance(text: str, result: str) -> None:
    assert told(text) == result
