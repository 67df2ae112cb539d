# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callao.config import effective
from callao.host import Host, HostUser
from callao.ports import static_forwards

HOST = Host("linux", "x86_64", 4, 8 * 2**30, HostUser("ann", 1000, "Ann", "/home/ann"), "")


SSH = 60022


def forwards(*rules: dict[str, Any]) -> tuple[list[Any], list[str]]:
    document = {"images": [{"location": "/img.qcow2"}], "portForwards": list(rules)}
    config = effective(document, HOST, name="web", instance_dir=Path("/h/web"))
    return static_forwards(config.port_forwards, SSH)


def tcp(**rule: Any) -> dict[str, Any]:
    return {"proto": "tcp", "static": True, **rule}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], []),
        ([tcp(guestPort=80, hostPort=8080)], [("tcp", "127.0.0.1", 8080, 80)]),
        ([tcp(guestPort=80)], [("tcp", "127.0.0.1", 80, 80)]),
        ([tcp(guestPort=80, hostPort=8080, hostIP="0.0.0.0")], [("tcp", "0.0.0.0", 8080, 80)]),
        ([tcp(guestPort=53, hostPort=5353, proto="udp")], [("udp", "127.0.0.1", 5353, 53)]),
        (
            [tcp(guestPort=80, hostPort=8080, proto="any")],
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
        ([tcp(guestPort=SSH, hostPort=8080)], []),
        ([tcp(guestPortRange=[21, 23])], [("tcp", "127.0.0.1", 21, 21), ("tcp", "127.0.0.1", 23, 23)]),
    ],
)
def test_static_rules_are_kept_from_the_start_where_they_decide(
    rules: list[dict[str, Any]], expected: list[Any]
) -> None:
    assert forwards(*rules) == (expected, [])


@pytest.mark.parametrize(
    "rule",
    [
        {"guestSocket": "/run/docker.sock", "hostSocket": "docker.sock"},
        {"guestPort": 80, "hostSocket": "page.sock", "static": True},
        {"guestPort": 80, "hostIP": "::1", "static": True},
        {"guestPort": 80},
        {"guestPortRange": [3000, 3999]},
        {"hostIP": "0.0.0.0"},
        {"guestPortRange": [1, 65535], "hostIP": "0.0.0.0"},
    ],
)
def test_other_rules_wait_for_a_listener(rule: dict[str, Any]) -> None:
    assert forwards(rule) == ([], [])


def test_a_static_range_too_large_to_hold_is_told_and_waits_for_listeners() -> None:
    active, (notice,) = forwards(tcp(guestPortRange=[2000, 5000]))
    assert active == []
    assert "3001 ports" in notice


def test_two_guest_ports_for_one_host_port_are_told() -> None:
    active, notices = forwards(tcp(guestPort=80, hostPort=8080), tcp(guestPort=81, hostPort=8080))
    assert active == [("tcp", "127.0.0.1", 8080, 80)]
    assert "8080" in notices[0]
    assert "81" in notices[0]
