# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callao.config import effective
from callao.host import Host, HostUser
from callao.ports import static_forwards

HOST = Host("linux", "x86_64", 4, 8 * 2**30, HostUser("ann", 1000, "Ann", "/home/ann"), "")


def forwards(*rules: dict[str, Any]) -> tuple[list[Any], list[str]]:
    document = {"images": [{"location": "/img.qcow2"}], "portForwards": list(rules)}
    return static_forwards(effective(document, HOST, name="web", instance_dir=Path("/h/web")))


def tcp(**rule: Any) -> dict[str, Any]:
    return {"proto": "tcp", **rule}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], []),
        ([tcp(guestPort=80, hostPort=8080)], [("tcp", "127.0.0.1", 8080, 80)]),
        ([tcp(guestPort=80)], [("tcp", "127.0.0.1", 80, 80)]),
        ([tcp(guestPort=80, hostPort=8080, hostIP="0.0.0.0")], [("tcp", "0.0.0.0", 8080, 80)]),
        ([{"guestPort": 53, "hostPort": 5353, "proto": "udp"}], [("udp", "127.0.0.1", 5353, 53)]),
        (
            [{"guestPort": 80, "hostPort": 8080}],
            [("tcp", "127.0.0.1", 8080, 80), ("udp", "127.0.0.1", 8080, 80)],
        ),
        (
            [tcp(guestPortRange=[80, 82], hostPortRange=[8080, 8082])],
            [("tcp", "127.0.0.1", 8080 + n, 80 + n) for n in range(3)],
        ),
        (
            [tcp(guestPort=80, hostPort=8080), tcp(guestPort=80, hostPort=9090)],
            [("tcp", "127.0.0.1", 8080, 80)],
        ),
        ([tcp(guestPort=80, ignore=True), tcp(guestPort=80, hostPort=8080)], []),
        ([{"ignore": True, "proto": "any"}, tcp(guestPort=80, hostPort=8080)], []),
        (
            [tcp(guestPort=80, hostPort=8080), {"ignore": True, "proto": "any"}],
            [("tcp", "127.0.0.1", 8080, 80)],
        ),
    ],
)
def test_the_first_rule_that_matches_a_guest_port_wins(
    rules: list[dict[str, Any]], expected: list[Any]
) -> None:
    assert forwards(*rules) == (expected, [])


@pytest.mark.parametrize(
    "rule",
    [
        {"guestSocket": "/run/docker.sock", "hostSocket": "docker.sock"},
        {"hostIP": "0.0.0.0"},
        {"guestPortRange": [1, 65535], "hostIP": "0.0.0.0"},
    ],
)
def test_a_rule_that_needs_the_guest_is_left_to_others(rule: dict[str, Any]) -> None:
    assert forwards(rule) == ([], [])


def test_two_guest_ports_for_one_host_port_are_told() -> None:
    active, notices = forwards(tcp(guestPort=80, hostPort=8080), tcp(guestPort=81, hostPort=8080))
    assert active == [("tcp", "127.0.0.1", 8080, 80)]
    assert "8080" in notices[0]
    assert "81" in notices[0]
