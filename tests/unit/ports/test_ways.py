# SPDX-License-Identifier: GPL-3.0-or-later
"""Who carries what."""

from __future__ import annotations

import pytest

from callao.ports import (
    Preference,
    Transport,
    WantedForward,
    address_within_guest,
    choose_transport,
    needs_exposing,
    preference,
)

EXPOSED = {("tcp", 80)}

NIC = "192.168.5.15"


def wanted(
    proto: str, host_ip: str, guest_ip: str, *, inside: bool = False, host_socket: str = ""
) -> WantedForward:
    return WantedForward(proto, host_ip, 0 if host_socket else 8080, guest_ip, 80, inside, host_socket)


@pytest.mark.parametrize(
    ("forward", "exposed", "expected"),
    [
        (wanted("tcp", "127.0.0.1", "0.0.0.0"), (), Transport.SLIRP),
        (wanted("udp", "127.0.0.1", "0.0.0.0"), (), Transport.SLIRP),
        (wanted("tcp", "127.0.0.1", "::"), (), Transport.SLIRP),
        (wanted("tcp", "0.0.0.0", "192.168.5.15"), (), Transport.SLIRP),
        (wanted("tcp", "127.0.0.1", "127.0.0.1"), EXPOSED, Transport.SLIRP),
        (wanted("tcp", "127.0.0.1", "127.0.0.1"), (), Transport.AGENT),
        (wanted("udp", "127.0.0.1", "127.0.0.1"), EXPOSED, Transport.AGENT),
        (wanted("tcp", "127.0.0.1", "127.0.0.53"), EXPOSED, Transport.AGENT),
        (wanted("tcp", "127.0.0.1", "::1"), EXPOSED, Transport.AGENT),
        (wanted("udp", "127.0.0.1", "::1"), (), Transport.AGENT),
        (wanted("tcp", "::1", "0.0.0.0"), (), Transport.AGENT),
        (wanted("tcp", "127.0.0.1", "10.88.0.1"), (), Transport.AGENT),
        (wanted("tcp", "127.0.0.1", "127.0.0.1", inside=True), EXPOSED, Transport.AGENT),
        (wanted("tcp", "127.0.0.1", "::", inside=True), (), Transport.AGENT),
        (wanted("tcp", "::", "127.0.0.1"), EXPOSED, Transport.AGENT),
        (wanted("tcp", "", "0.0.0.0", host_socket="/s"), (), Transport.AGENT),
        (wanted("tcp", "127.0.0.1", "192.168.5.15"), EXPOSED, Transport.AGENT),
    ],
)
def test_the_hypervisor_carries_what_it_reaches(
    forward: WantedForward, exposed: set[tuple[str, int]], expected: Transport
) -> None:
    assert choose_transport(forward, exposed, Preference.QUICKEST, NIC) is expected


def test_ssh_carries_tcp_where_it_is_asked_for() -> None:
    assert choose_transport(wanted("tcp", "127.0.0.1", "0.0.0.0"), (), Preference.SSH, NIC) is Transport.SSH
    assert (
        choose_transport(wanted("udp", "127.0.0.1", "0.0.0.0"), (), Preference.SSH, NIC) is Transport.SLIRP
    )
    assert (
        choose_transport(wanted("tcp", "", "0.0.0.0", host_socket="/s"), (), Preference.SSH, NIC)
        is Transport.AGENT
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", Preference.SSH),
        ("1", Preference.SSH),
        ("TRUE", Preference.SSH),
        ("false", Preference.QUICKEST),
        ("", Preference.QUICKEST),
        ("perhaps", Preference.QUICKEST),
    ],
)
def test_limas_variable_asks_for_ssh_or_not(text: str, expected: Preference) -> None:
    assert preference({"LIMA_SSH_PORT_FORWARDER": text}) is expected
    assert preference({}) is Preference.QUICKEST


def test_only_the_address_that_is_led_to_is_exposed() -> None:
    addresses = ("127.0.0.1", "127.0.0.53", "::1", "0.0.0.0")
    assert [ip for ip in addresses if needs_exposing(wanted("tcp", "127.0.0.1", ip))] == ["127.0.0.1"]
    assert not needs_exposing(wanted("tcp", "::1", "127.0.0.1"))
    assert not needs_exposing(wanted("tcp", "", "127.0.0.1", host_socket="/s"))
    assert not needs_exposing(wanted("tcp", "127.0.0.1", "127.0.0.1", inside=True))


@pytest.mark.parametrize(
    ("listens", "found"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("::1", "::1"), ("10.88.0.1", "10.88.0.1")],
)
def test_a_server_is_found_from_within_where_it_listens(listens: str, found: str) -> None:
    assert address_within_guest(listens) == found
