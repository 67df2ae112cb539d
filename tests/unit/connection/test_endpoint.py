# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plugin reads from an instance's files, and which of them may say what."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.callao.lima.plugins.plugin_utils._endpoint import (
    NotRunning,
    is_instance_name,
    parse_endpoint,
    read_endpoint,
)

from callao.reach import Reach
from callao.ssh import Endpoint, known_hosts, render


def texts(config: str, known: str = "lima-web ssh-ed25519 AAAA\n", pid: str = "1\n") -> dict[str, str]:
    return {"ssh.config": config, "known_hosts": known, "ha.pid": pid}


def config(port: int = 40022, folder: str = "/l/web") -> str:
    where = Path(folder)
    return render(
        Endpoint(
            "lima-web", Reach(port), "ana", Path("/l/_config/a %h key"), where / "known_hosts", where / "s"
        )
    )


def test_the_engines_own_file_is_understood() -> None:
    endpoint = parse_endpoint(texts(config()), "/l/web/known_hosts")
    assert (endpoint.alias, endpoint.port, endpoint.user) == ("lima-web", 40022, "ana")
    assert endpoint.identities == ("/l/_config/a %h key",)
    assert endpoint.known_hosts == "/l/web/known_hosts"


def test_a_file_that_lima_wrote_is_understood() -> None:
    lima = (
        "# This SSH config file can be passed to 'ssh -F'.\nHost lima-default\n"
        '  IdentityFile "/l/_config/user"\n  IdentityFile "/home/ana/.ssh/id_rsa"\n'
        "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  User ana\n"
        "  Hostname 127.0.0.1\n  Port 60022\n"
    )
    endpoint = parse_endpoint(texts(lima, known=""), "/l/default/known_hosts")
    assert (endpoint.alias, endpoint.port, endpoint.user) == ("lima-default", 60022, "ana")
    assert len(endpoint.identities) == 2
    assert endpoint.known_hosts is None


@pytest.mark.parametrize(
    "other",
    [
        texts(config(port=40023)),
        texts(config(), known=known_hosts("lima-web", "ssh-ed25519 BBBB x")),
        texts(config(), pid="2\n"),
    ],
    ids=["another port", "another host key", "another host agent"],
)
def test_two_starts_are_told_apart_by(other: dict[str, str]) -> None:
    assert parse_endpoint(other, "k").start_id != parse_endpoint(texts(config()), "k").start_id


@pytest.mark.parametrize("text", ["", "Host lima-web\n", "Port 0\n", "Port ssh\n"])
def test_an_instance_without_a_port_is_not_running(text: str) -> None:
    with pytest.raises(NotRunning):
        parse_endpoint(texts(text), "k")


@pytest.mark.parametrize("pid", ["", "nonsense", "0", "-1", "4194305", "99999999999999999999"])
def test_an_instance_whose_agent_is_gone_is_not_running(tmp_path: Path, pid: str) -> None:
    (tmp_path / "ssh.config").write_text(config())
    (tmp_path / "ha.pid").write_text(pid)
    with pytest.raises(NotRunning):
        read_endpoint(tmp_path)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("web", True),
        ("web-1.example_2", True),
        ("..", False),
        ("a/b", False),
        ("-web", False),
        ("_config", False),
        ("", False),
        ("web\n", False),
        ("web-", False),
    ],
)
def test_a_name_that_could_leave_the_home_is_refused(name: str, valid: bool) -> None:
    assert is_instance_name(name) is valid
