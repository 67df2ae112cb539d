# SPDX-License-Identifier: GPL-3.0-or-later
"""networks.yaml: its defaults, its problems with their places, and what lima.yaml may name of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from callao.config.named_networks import name_problems, overlaps, unusable
from callao.config.network import NetworkDefinition, NetworkMode
from callao.config.networks_yaml import default_text, ensure_networks_file, parse_networks, read_networks
from callao.errors import ConfigError, Problem
from callao.host import Host


def problems(text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        parse_networks(text)
    return list(caught.value.problems)


def one(entry: str) -> NetworkDefinition:
    return parse_networks(f"networks:\n  n: {entry}\n").by_name["n"]


def test_the_default_file_has_the_four_documented_networks() -> None:
    found = parse_networks(default_text())
    assert [(each.name, each.mode.value, str(each.gateway)) for each in found.by_name.values()] == [
        ("bridged", "bridged", "None"),
        ("host", "host", "192.168.106.1"),
        ("shared", "shared", "192.168.105.1"),
        ("user-v2", "user-v2", "192.168.104.1"),
    ]
    assert (found.group, found.paths.var_run, found.paths.sudoers) == (
        "admin",
        "/private/var/run/lima",
        "/private/etc/sudoers.d/lima",
    )


def test_reading_writes_nothing_and_a_file_is_written_once(tmp_path: Path) -> None:
    assert read_networks(tmp_path) == parse_networks(default_text())
    assert not list(tmp_path.iterdir())
    path = ensure_networks_file(tmp_path)
    assert path.read_text() == default_text()
    path.write_text("group: staff\n")
    ensure_networks_file(tmp_path)
    assert read_networks(tmp_path).group == "staff"


def test_absent_values_have_their_documented_defaults() -> None:
    shared = one("{mode: shared, gateway: 10.1.0.1}")
    assert (str(shared.netmask), str(shared.dhcp_end)) == ("255.255.255.0", "10.1.0.254")
    assert shared.subnet == IPv4Network("10.1.0.0/24")
    small = one("{mode: host, gateway: 10.1.0.1, netmask: 255.255.255.128}")
    assert small.dhcp_end == IPv4Address("10.1.0.126")
    assert parse_networks("{}").group == "admin"


@pytest.mark.parametrize(
    ("text", "gateway"),
    [
        ("{}", "192.168.104.1"),
        ("networks: null", "192.168.104.1"),
        ("networks: {user-v2: {mode: user-v2}}", "192.168.104.1"),
        ("networks: {user-v2: {mode: shared, gateway: 10.0.0.1}}", "192.168.104.1"),
    ],
)
def test_user_v2_is_there_while_no_network_of_its_mode_has_a_gateway(text: str, gateway: str) -> None:
    found = parse_networks(text).by_name["user-v2"]
    assert (found.mode, str(found.gateway)) == (NetworkMode.USER_V2, gateway)


def test_an_entry_that_is_replaced_has_to_be_readable() -> None:
    (problem,) = problems("networks: {user-v2: {mode: host, netmask: /24}}")
    assert problem.path == "networks.user-v2.netmask"


def test_another_network_of_the_mode_takes_its_place() -> None:
    assert list(parse_networks("networks: {a: {mode: user-v2, gateway: 10.0.0.1}}").by_name) == ["a"]


def test_every_problem_is_told_with_its_line() -> None:
    found = problems(
        "group: a b\n"
        "networks:\n"
        "  a: {mode: shared, gateway: 10.0.0.1, netmask: 255.0.255.0}\n"
        "  'b c': {mode: other}\n"
        "  c: [1]\n"
        "  d: {mode: bridged}\n"
    )
    assert [(each.path, each.line) for each in found] == [
        ("networks.a.netmask", 3),
        ("networks.b c.mode", 4),
        ("networks.b c", 4),
        ("networks.c", 5),
        ("networks.d.interface", 6),
        ("group", 1),
    ]


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ("{mode: user-v2, gateway: 10.0.0.0}", "gateway"),
        ("{mode: user-v2, gateway: 'fd00::1'}", "gateway"),
        ("{mode: user-v2, gateway: 10.0.0.1/24}", "gateway"),
        ("{mode: shared, gateway: 127.0.0.1}", "gateway"),
        ("{mode: host, gateway: 224.0.0.1}", "gateway"),
        ("{mode: host, gateway: 192.168.5.1}", "gateway"),
        ("{mode: host, gateway: 10.0.0.254}", "gateway"),
        ("{mode: host}", "gateway"),
        ("{mode: host, gateway: 10.0.0.1, dhcpEnd: 10.0.1.9}", "dhcpEnd"),
        ("{mode: host, gateway: 10.0.0.9, dhcpEnd: 10.0.0.5}", "dhcpEnd"),
        ("{mode: user-v2, gateway: 10.0.0.1, netmask: 255.255.255.254}", "netmask"),
        ("{mode: user-v2, gateway: 10.0.0.1, netmask: 0.0.0.0}", "netmask"),
        ("{mode: bridged, interface: en0 --x}", "interface"),
        ("{mode: bridged, interface: ../x}", "interface"),
        ("{mode: shared --extra, gateway: 10.0.0.1}", "mode"),
        ("{gateway: 10.0.0.1}", "mode"),
        ("{mode: [a]}", "mode"),
    ],
)
def test_a_wrong_value_is_told_at_its_place(entry: str, path: str) -> None:
    assert f"networks.n.{path}" in [
        each.path
        for each in problems(f"networks:\n  user-v2: {{mode: user-v2, gateway: 10.9.0.1}}\n  n: {entry}")
    ]


@pytest.mark.parametrize("name", ["evil\\n%staff ALL", "../../etc/foo", "a b", "", "x" * 77])
def test_a_name_that_would_be_more_than_a_name_is_refused(name: str) -> None:
    assert problems(f'networks: {{"{name}": {{mode: bridged, interface: en0}}}}')


def test_two_subnets_that_overlap_are_refused() -> None:
    (problem,) = problems(
        "networks:\n  a: {mode: shared, gateway: 10.0.0.1, netmask: 255.255.0.0}\n"
        "  b: {mode: user-v2, gateway: 10.0.7.1}\n"
    )
    assert problem.path == "networks.b.gateway"
    assert "10.0.7.0/24 overlaps 10.0.0.0/16 of network a" in problem.message


def test_unknown_keys_are_told_and_left_out() -> None:
    told: list[Problem] = []
    parse_networks(
        "paths: {vdeSwitch: /x}\nnetworks: {a: {mode: bridged, interface: en0, y: 1}}", warn=told.append
    )
    assert [(each.path, each.line) for each in told] == [("networks.a.y", 2), ("paths.vdeSwitch", 1)]


@pytest.mark.parametrize(
    ("name", "system", "words"),
    [
        ("none", "linux", "is not a network in"),
        ("shared", "linux", "is of mode shared, which needs /opt/socket_vmnet/bin/socket_vmnet"),
        ("shared", "darwin", None),
        ("user-v2", "linux", None),
    ],
)
def test_lima_yaml_may_name_what_the_file_and_the_host_have(
    tmp_path: Path, name: str, system: str, words: str | None
) -> None:
    host = replace(Host.detect(), os=system)
    found = list(name_problems([{"socket": "/s"}, {"lima": name}], tmp_path, host))
    if words is None:
        assert found == []
    else:
        assert [each.path for each in found] == ["networks[1].lima"]
        assert words in found[0].message
        assert "user-v2" in found[0].allowed


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            "{mode: shared, gateway: 10.0.0.1, netmask: 255.0.0.0}",
            "networks.n.netmask: '255.0.0.0' is too wide for mode shared on Linux"
            "|networks.n.netmask from 255.255.0.0 to 255.255.255.252",
        ),
        (
            "{mode: host, gateway: 8.8.8.1}",
            "networks.n.gateway: '8.8.8.1' its subnet 8.8.8.0/24 is not private, and mode host on Linux "
            "needs a private one|networks.n.gateway a subnet in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        ),
        ("{mode: user-v2, gateway: 8.8.8.1, netmask: 255.0.0.0}", None),
        ("{mode: shared, gateway: 10.0.0.1, netmask: 255.255.0.0}", None),
    ],
)
def test_a_subnet_that_linux_does_not_carry_is_refused_where_it_is_named(
    tmp_path: Path, entry: str, words: str | None
) -> None:
    path = ensure_networks_file(tmp_path)
    program = tmp_path / "socket_vmnet"
    program.touch()
    path.write_text(f"paths: {{socketVMNet: {program}}}\nnetworks: {{n: {entry}}}\n")
    host = Host.detect()
    assert list(name_problems([{"lima": "n"}], tmp_path, replace(host, os="darwin"))) == []
    found = list(name_problems([{"lima": "n"}], tmp_path, replace(host, os="linux")))
    told = [f"{each.message}|{each.allowed}" for each in found]
    assert told == ([] if words is None else [f"cannot be used: {path}: {words}"])


@pytest.mark.parametrize(
    ("name", "gateway", "words", "allowed"),
    [
        ("lab", "192.168.5.77", "its subnet 192.168.5.0/24 overlaps 192.168.5.0/24, which every guest's",
         "a network with another subnet"),
        ("lab", "192.168.1.1, netmask: 255.255.0.0", "its subnet 192.168.0.0/16 overlaps", "another subnet"),
        ("n" * 40, "10.0.0.1", "_ep.sock is too long for a unix socket", "a name of at most 33 bytes, or"),
    ],
)  # fmt: skip
def test_a_network_of_ours_that_no_guest_can_be_in_is_refused_where_it_is_named(
    name: str, gateway: str, words: str, allowed: str
) -> None:
    home = Path("/home/of/20/bytes/..")
    text = f"networks:\n  {name}: {{mode: user-v2, gateway: {gateway}}}\n"
    definition = parse_networks(text).by_name[name]
    (found,) = unusable(definition, home)
    assert words in found.message
    assert allowed in found.allowed


def test_the_longest_name_that_is_allowed_can_be_listened_at() -> None:
    home = Path("/home/of/20/bytes/..")
    longest = NetworkDefinition("n" * 33, NetworkMode.USER_V2)
    assert list(unusable(longest, home)) == []


def test_a_networks_yaml_with_problems_is_one_problem_of_lima_yaml(tmp_path: Path) -> None:
    path = ensure_networks_file(tmp_path)
    path.write_text("networks:\n  a: {mode: other}\n")
    (problem,) = name_problems([{"lima": "a"}], tmp_path, Host.detect())
    assert problem.path == "networks"
    assert f"cannot be looked up: {path}:2:7: networks.a.mode: 'other'" in problem.message


def test_an_interface_of_the_host_in_the_subnet_is_told_unless_it_is_the_networks_own() -> None:
    shared = one("{mode: shared, gateway: 10.1.0.1}")
    host = {"eth0": [IPv4Interface("10.1.0.7/16")], "lima0": [IPv4Interface("10.1.0.1/24")]}
    assert list(overlaps(shared, host)) == [
        "its subnet 10.1.0.0/24 overlaps 10.1.0.0/16 of this host's interface eth0"
    ]
