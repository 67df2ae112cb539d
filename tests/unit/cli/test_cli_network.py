# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao network``, with limactl's file, output and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli.conftest import Line

from callao.atomic import create_file
from callao.config import load
from callao.config.networks_yaml import default_text
from callao.networks import edit
from callao.networks.ensure import ensure_network
from callao.networks.request import NetworkRequest

COMMENTED = """\
# ours
paths:
  varRun: /x # of the daemons
networks:
  lab: # the first
    mode: user-v2
    gateway: 10.0.0.1
    # no netmask
"""


def file(home: Path) -> Path:
    return home / "_config" / "networks.yaml"


def test_the_first_command_writes_the_file_and_lists_what_it_says(callao: Line) -> None:
    rows = [line.split() for line in callao("network", "list").out.splitlines()]
    assert rows == [
        ["NAME", "MODE", "GATEWAY", "INTERFACE"],
        ["bridged", "bridged", "-", "en0"],
        ["host", "host", "192.168.106.1/24", "-"],
        ["shared", "shared", "192.168.105.1/24", "-"],
        ["user-v2", "user-v2", "192.168.104.1/24", "-"],
    ]
    assert file(callao.home).read_text() == default_text()
    assert file(callao.home).stat().st_mode & 0o777 == 0o644
    (line,) = callao("network", "ls", "--json", "shared").out.splitlines()
    assert line == (
        '{"name":"shared","mode":"shared","gateway":"192.168.105.1","dhcpEnd":"192.168.105.254",'
        '"netmask":"255.255.255.0"}'
    )
    done = callao("network", "list", "--json", "none", "bridged")
    assert (done.status, "No network matches 'none'" in done.err) == (0, True)
    assert json.loads(done.out) == {"name": "bridged", "mode": "bridged", "interface": "en0"}


def test_a_file_that_is_a_symbolic_link_stays_one_and_keeps_its_mode(callao: Line, tmp_path: Path) -> None:
    mine = tmp_path / "dotfiles.yaml"
    mine.write_text(COMMENTED)
    mine.chmod(0o600)
    file(callao.home).parent.mkdir(parents=True)
    file(callao.home).symlink_to(mine)
    assert callao("network", "create", "foo", "--gateway", "10.1.0.1").status == 0
    assert file(callao.home).readlink() == mine
    assert "foo" in mine.read_text()
    assert mine.stat().st_mode & 0o777 == 0o600


def test_networks_are_created_and_deleted_and_comments_stay(callao: Line) -> None:
    file(callao.home).parent.mkdir(parents=True)
    file(callao.home).write_text(COMMENTED)
    assert callao("network", "create", "foo", "--gateway", "10.1.0.1").status == 0
    assert callao("network", "create", "s", "--mode", "shared", "--gateway", "10.2.0.1/16").status == 0
    assert callao("network", "create", "b", "--mode", "bridged", "--interface", "en1").status == 0
    text = file(callao.home).read_text()
    assert load(text, "")["networks"] == {
        "lab": {"mode": "user-v2", "gateway": "10.0.0.1"},
        "foo": {"mode": "user-v2", "gateway": "10.1.0.1", "netmask": "255.255.255.0"},
        "s": {"mode": "shared", "gateway": "10.2.0.1", "dhcpEnd": "10.2.0.254", "netmask": "255.255.0.0"},
        "b": {"mode": "bridged", "interface": "en1"},
    }
    assert all(words in text for words in ("# ours", "# of the daemons", "# the first", "# no netmask"))
    done = callao("network", "rm", "foo", "none", "s", "b")
    assert (done.status, "Network 'none' does not exist" in done.err) == (0, True)
    assert file(callao.home).read_text() == COMMENTED


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("create", "foo"), "gateway: '': is needed for a new network"),
        (
            ("create", "foo", "--gateway", "nonsense"),
            "networks.foo.gateway: 'nonsense': is not an IPv4 address",
        ),
        (("create", "foo", "--gateway", "10.0.0.1/99"), "is not an IPv4 address with a prefix"),
        (("create", "foo", "--gateway", "127.0.0.1"), "is no address of a network of hosts"),
        (("create", "foo", "--gateway", "0.0.0.0"), "is no address of a network of hosts"),
        (("create", "foo", "--gateway", "192.168.105.9"), "overlaps 192.168.105.0/24 of network shared"),
        (("create", "foo", "--gateway", "10.0.0.1", "--interface", "en0"), "is not for mode user-v2"),
        (
            ("create", "foo", "--mode", "shared", "--gateway", "10.0.0.1/8"),
            "netmask: '255.0.0.0': is too wide for mode shared on Linux (allowed: from 255.255.0.0",
        ),
        (
            ("create", "foo", "--mode", "host", "--gateway", "8.8.8.1"),
            "its subnet 8.8.8.0/24 is not private",
        ),
        (("create", "foo", "--mode", "bridged"), "interface: '': is needed in mode bridged"),
        (("create", "foo", "--mode", "bridged", "--interface", "en0 --x"), "cannot be an interface's name"),
        (("create", "foo", "--mode", "bridged", "--gateway", "10.0.0.1"), "is not for mode bridged"),
        (("create", "foo", "--mode", "other", "--gateway", "10.0.0.1"), "(allowed: user-v2, host, shared,"),
        (("create", "shared", "--gateway", "10.0.0.1"), "network 'shared' exists already"),
        (("create", "user-v2", "--gateway", "10.0.0.1"), "network 'user-v2' exists already"),
        (("create", "a b", "--gateway", "10.0.0.1"), "name: 'a b': cannot be a network's name"),
        (("create", "../up", "--gateway", "10.0.0.1"), "cannot be a network's name"),
        (("create",), "Missing argument 'NETWORK'"),
        (("delete", "a b"), "cannot be a network's name"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_changes(callao: Line, line: tuple[str, ...], words: str) -> None:
    callao("network", "list")
    done = callao("network", *line)
    assert (done.status, words in done.err) == (1, True), done.err
    assert file(callao.home).read_text() == default_text()


def test_a_network_that_another_run_makes_meanwhile_is_not_replaced(
    callao: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = edit.held

    @contextmanager
    def held_after_another_run(home: Path) -> Iterator[None]:
        monkeypatch.setattr(edit, "held", held)
        ensure_network(NetworkRequest(name="lab", gateway="10.7.0.1"), home=home, check=False)
        with held(home):
            yield

    callao("network", "list")
    monkeypatch.setattr(edit, "held", held_after_another_run)
    done = callao("network", "create", "lab", "--gateway", "10.0.0.1")
    assert (done.status, "network 'lab' exists already" in done.err) == (1, True), done.err
    assert "10.7.0.1" in file(callao.home).read_text()


def test_the_first_run_does_not_replace_the_file_of_another(tmp_path: Path) -> None:
    assert create_file(tmp_path / "networks.yaml", b"first")
    assert not create_file(tmp_path / "networks.yaml", b"second")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"first"]


def test_a_network_that_an_instance_names_is_deleted_by_force_alone(callao: Line) -> None:
    callao("network", "create", "lab", "--gateway", "10.0.0.1")
    folder = callao.home / "web"
    folder.mkdir()
    (folder / "lima.yaml").write_text("networks:\n- lima: lab\n")
    done = callao("network", "delete", "lab")
    assert (done.status, "networks of web name it" in done.err) == (1, True)
    assert "callao network delete --force lab" in done.err
    assert callao("network", "delete", "-f", "lab").status == 0
    assert "lab" not in callao("network", "list").out


def test_the_built_in_network_comes_back_when_it_is_deleted_and_stays_beside_a_second(callao: Line) -> None:
    callao("network", "delete", "user-v2")
    done = callao("network", "delete", "user-v2")
    assert (done.status, "is built in while no other network has its mode" in done.err) == (0, True)
    callao("network", "create", "lab", "--gateway", "10.0.0.1")
    assert {"lab", "user-v2"} <= {line.split()[0] for line in callao("network", "list").out.splitlines()}


def test_a_file_with_problems_is_refused_with_their_lines(callao: Line) -> None:
    file(callao.home).parent.mkdir(parents=True)
    file(callao.home).write_text("networks:\n  a: {mode: other}\n  b: {mode: host}\n")
    done = callao("network", "list")
    assert done.status == 1
    assert f"{file(callao.home)}:2:7: networks.a.mode" in done.err
    assert f"{file(callao.home)}:3:3: networks.b.gateway" in done.err


@pytest.mark.parametrize(
    ("name", "gateway", "words"),
    [
        (
            "lab",
            "192.168.5.1/24",
            "gateway: '192.168.5.1': its subnet 192.168.5.0/24 overlaps",
        ),
        ("n" * 75, "10.0.0.1", "is too long for a unix socket (allowed: a name of at most"),
        ("user-v2", "10.0.0.1", "network 'user-v2' exists already"),
    ],
)
def test_a_network_that_cannot_be_is_refused_and_nothing_is_written(
    callao: Line, name: str, gateway: str, words: str
) -> None:
    done = callao("network", "create", name, "--gateway", gateway)
    assert (done.status, words in done.err) == (1, True), done.err
    assert file(callao.home).read_text() == default_text()
