# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and listeners, and the forwards that they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callao.config import PortForward, effective
from callao.host import Host, HostUser
from callao.ports import Listener, Ruleset, WantedForward, named_ports, wanted_forwards

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "")
SSH = 60022


def rules_of(*rules: dict[str, Any]) -> tuple[PortForward, ...]:
    document = {"images": [{"location": "/x"}], "portForwards": list(rules)}
    return effective(document, HOST, name="web", instance_dir=Path("/h/web")).port_forwards


def forwards(rules: tuple[PortForward, ...], *listeners: str) -> list[str]:
    """Each as ``proto host:port > guest:port``; listeners as ``tcp 127.0.0.1 80``."""
    heard = [Listener(proto, ip, int(port)) for proto, ip, port in (each.split() for each in listeners)]
    wanted = wanted_forwards(Ruleset(rules, SSH), heard)
    ends = [(w, w.host_socket or f"{w.host_ip}:{w.host_port}") for w in wanted]
    return [f"{w.proto} {end} > {w.guest_ip}:{w.guest_port}" for w, end in ends]


@pytest.mark.parametrize(
    ("rules", "listener", "forward"),
    [
        ((), "tcp 127.0.0.1 8080", "tcp 127.0.0.1:8080 > 127.0.0.1:8080"),
        ((), "tcp 0.0.0.0 8080", "tcp 127.0.0.1:8080 > 0.0.0.0:8080"),
        ((), "tcp :: 8080", "tcp 127.0.0.1:8080 > :::8080"),
        ((), "tcp ::1 8080", "tcp 127.0.0.1:8080 > ::1:8080"),
        ((), "udp 0.0.0.0 5060", "udp 127.0.0.1:5060 > 0.0.0.0:5060"),
        ((), "udp 0.0.0.0 5353", None),
        ((), "tcp :: 5355", None),
        (({"guestPort": 5353},), "udp 0.0.0.0 5353", "udp 127.0.0.1:5353 > 0.0.0.0:5353"),
        ((), "tcp 192.168.5.15 8080", None),
        ((), "tcp 127.0.0.53 8080", None),
        ((), "tcp 0.0.0.0 22", None),
        ((), f"tcp 127.0.0.1 {SSH}", None),
        ((), "tcp 0.0.0.0 80", None),
        ((), "udp 0.0.0.0 41234", None),
        (({"guestPort": 80, "hostPort": 8080},), "tcp 0.0.0.0 80", "tcp 127.0.0.1:8080 > 0.0.0.0:80"),
        (({"guestPort": 80, "hostIP": "0.0.0.0"},), "tcp 127.0.0.1 80", "tcp 0.0.0.0:80 > 127.0.0.1:80"),
        (({"guestPort": 80, "proto": "udp"},), "tcp 0.0.0.0 80", None),
        (
            ({"guestPortRange": [3000, 3009], "hostPortRange": [4000, 4009]},),
            "tcp 127.0.0.1 3005",
            "tcp 127.0.0.1:4005 > 127.0.0.1:3005",
        ),
        (({"guestPort": 8080, "ignore": True},), "tcp 127.0.0.1 8080", None),
        (({"guestPort": 8080, "ignore": True},), "tcp 0.0.0.0 8080", "tcp 127.0.0.1:8080 > 0.0.0.0:8080"),
        (({"guestPort": 8080, "guestIP": "0.0.0.0", "ignore": True},), "tcp 0.0.0.0 8080", None),
        (({"guestIP": "0.0.0.0", "ignore": True, "guestIPMustBeZero": False},), "tcp 127.0.0.1 8080", None),
        (({"guestIP": "192.168.5.15", "guestPort": 80},), "tcp 192.168.5.15 80",
         "tcp 127.0.0.1:80 > 192.168.5.15:80"),
        (({"guestIP": "0.0.0.0", "guestPort": 80, "guestIPMustBeZero": False},), "tcp 10.0.0.1 80",
         "tcp 127.0.0.1:80 > 10.0.0.1:80"),
        (({"guestIP": "0.0.0.0", "guestPort": 80},), "tcp 10.0.0.1 80", None),
        (({"guestIP": "::", "guestPort": 80},), "tcp 10.0.0.1 80", "tcp 127.0.0.1:80 > 10.0.0.1:80"),
        (({"guestIP": "::ffff:0.0.0.0", "guestPort": 80},), "tcp 10.0.0.1 80", None),
        (({"guestIP": "::ffff:127.0.0.1", "guestPort": 80},), "tcp ::1 80", "tcp 127.0.0.1:80 > ::1:80"),
        (({"hostIP": "::ffff:127.0.0.9", "guestPort": 80},), "tcp ::1 80", "tcp 127.0.0.9:80 > ::1:80"),
        (({"hostIP": "0:0::1", "guestPort": 80},), "tcp ::1 80", "tcp ::1:80 > ::1:80"),
        (({"guestPort": 80, "hostSocket": "/run/x.sock"},), "tcp 127.0.0.1 80",
         "tcp /run/x.sock > 127.0.0.1:80"),
        (({"guestPort": 80, "hostSocket": "/run/x.sock"},), "tcp 10.0.0.1 80", None),
        (({"guestIPMustBeZero": True, "guestPort": 80},), "tcp 127.0.0.1 80", None),
        (({"guestIPMustBeZero": True, "guestPort": 80},), "tcp 0.0.0.0 80", "tcp 127.0.0.1:80 > 0.0.0.0:80"),
        (({"guestSocket": "/run/x.sock", "hostSocket": "x.sock"},), "tcp 127.0.0.1 8080",
         "tcp 127.0.0.1:8080 > 127.0.0.1:8080"),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_decides(
    rules: tuple[dict[str, Any], ...], listener: str, forward: str | None
) -> None:
    assert forwards(rules_of(*rules), listener) == ([forward] if forward else [])


PUBLIC = {"guestIP": "0.0.0.0", "guestPort": 8080, "hostIP": "0.0.0.0"}
BEFORE = {"guestIPMustBeZero": True, "guestPortRange": [4040, 4049]}
BEHIND = {"guestIP": "0.0.0.0", "guestIPMustBeZero": False, "guestPortRange": [4040, 4049], "ignore": True}


@pytest.mark.parametrize(
    ("rules", "listener", "forward"),
    [
        ((PUBLIC,), "tcp 127.0.0.1 8080", "tcp 127.0.0.1:8080 > 127.0.0.1:8080"),
        ((PUBLIC,), "tcp ::1 8080", "tcp 127.0.0.1:8080 > ::1:8080"),
        ((PUBLIC,), "tcp 192.168.5.15 8080", None),
        ((PUBLIC,), "tcp :: 8080", "tcp 0.0.0.0:8080 > :::8080"),
        ((BEFORE, BEHIND), "tcp 0.0.0.0 4040", "tcp 127.0.0.1:4040 > 0.0.0.0:4040"),
        ((BEFORE, BEHIND), "tcp 192.168.5.15 4044", None),
        ((BEFORE, BEHIND), "tcp 127.0.0.1 4043", None),
    ],
)
def test_a_rule_for_all_addresses_opens_no_server_of_one_address(
    rules: tuple[dict[str, Any], ...], listener: str, forward: str | None
) -> None:
    assert forwards(rules_of(*rules), listener) == ([forward] if forward else [])


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"guestPortRange": [20, 30]},
        {"guestPortRange": [1, 65535], "hostPortRange": [1, 65535], "hostIP": "0.0.0.0"},
        {"guestIP": "0.0.0.0", "hostIP": "0.0.0.0"},
        {"guestIP": "0.0.0.0", "guestIPMustBeZero": False, "hostIP": "0.0.0.0"},
        {"guestIP": "10.0.0.1"},
        {"guestPort": SSH, "hostPort": 9000},
    ],
)
@pytest.mark.parametrize("ip", ["127.0.0.1", "0.0.0.0", "::", "::1", "10.0.0.1"])
@pytest.mark.parametrize("port", [22, SSH])
def test_no_rule_forwards_the_ports_of_ssh(rule: dict[str, Any], ip: str, port: int) -> None:
    assert forwards(rules_of(rule), f"tcp {ip} {port}", f"udp {ip} {port}") == []


def test_only_rules_of_one_port_name_ports_of_the_host() -> None:
    rules = rules_of(
        {"guestPort": 80, "hostPort": 8080, "proto": "tcp"},
        {"guestPort": 53},
        {"guestPort": 81, "ignore": True},
        {"guestPort": 82, "hostSocket": "x.sock"},
        {"guestPortRange": [3000, 3009]},
        {"guestSocket": "/run/x.sock", "hostPort": 9000},
    )
    assert sorted(named_ports(rules)) == [
        ("tcp", "127.0.0.1", 53),
        ("tcp", "127.0.0.1", 8080),
        ("tcp", "127.0.0.1", 9000),
        ("udp", "127.0.0.1", 53),
    ]


def test_the_users_rules_come_before_limas(tmp_path: Path) -> None:
    rules = rules_of({"guestPort": 8080, "hostPort": 9000}, {"guestPort": 8080, "hostPort": 9001})
    assert forwards(rules, "tcp 127.0.0.1 8080") == ["tcp 127.0.0.1:9000 > 127.0.0.1:8080"]


def test_one_port_of_the_host_leads_to_one_listener_and_the_open_one_is_preferred() -> None:
    both = ("tcp 127.0.0.1 8080", "tcp 0.0.0.0 8080", "tcp ::1 8080")
    assert forwards((), *both) == ["tcp 127.0.0.1:8080 > 0.0.0.0:8080"]


LISTENERS = st.builds(
    Listener,
    proto=st.sampled_from(["tcp", "udp"]),
    ip=st.sampled_from(["127.0.0.1", "0.0.0.0", "::", "::1", "192.168.5.15", "10.1.2.3"]),
    port=st.integers(1, 65535),
)


@given(st.lists(LISTENERS, max_size=30), st.randoms())
def test_the_order_of_listeners_makes_no_difference(heard: list[Listener], chance: Any) -> None:
    shuffled = chance.sample(heard, len(heard))
    rules = Ruleset((), SSH)
    wanted = wanted_forwards(rules, heard)
    assert wanted == wanted_forwards(rules, shuffled)
    assert len({(each.proto, each.host_ip, each.host_port) for each in wanted}) == len(wanted)
    assert all(isinstance(each, WantedForward) and each.host_port not in (22, SSH) for each in wanted)


def test_a_containers_port_on_the_loopback_comes_before_the_socket_that_keeps_it() -> None:
    kept, led = Listener("tcp", "127.0.0.1", 8080), Listener("tcp", "127.0.0.1", 8080, inside=True)
    (wanted,) = wanted_forwards(Ruleset((), SSH), [kept, led])
    assert wanted.inside


def test_what_takes_ipv4_too_comes_before_what_does_not() -> None:
    both = [Listener("tcp", "::", 8080, inside=True), Listener("tcp", "0.0.0.0", 8080)]
    (wanted,) = wanted_forwards(Ruleset((), SSH), both)
    assert wanted.guest_ip == "0.0.0.0"
