# SPDX-License-Identifier: GPL-3.0-or-later
"""The DHCP server, by the states of RFC 2131 section 4.3, and its leases."""

from __future__ import annotations

import os
import random
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from networks.usernet.wire import (
    GATEWAY,
    SUBNET,
    Nic,
    Wire,
    dhcp_answer,
    dhcp_frame,
    dhcp_request,
    ip,
    mac,
)

from callao.networks.usernet import dhcp_message
from callao.networks.usernet.dhcp_message import Kind, Option
from callao.networks.usernet.leases import Leases, NoAddressLeft

NOTHING = IPv4Address(0)


def _ask(nic: Nic, kind: Kind, options: dict[int, bytes] | None = None, *, client: bytes = bytes(4)):
    nic.send(dhcp_frame(nic.mac, dhcp_request(nic.mac, kind, options, client=client), source=client))
    return dhcp_answer(nic.receive())


def test_a_guest_is_offered_its_address_with_all_that_it_needs(wire: Wire) -> None:
    kind, yours, options = _ask(wire.nic(1), Kind.DISCOVER, {Option.CLIENT_ID: b"\x01me"})
    assert (kind, yours) == (Kind.OFFER, IPv4Address(ip(3)))
    assert options == {
        Option.KIND: bytes([Kind.OFFER]),
        Option.SERVER: GATEWAY.packed,
        Option.MASK: SUBNET.netmask.packed,
        Option.BROADCAST: SUBNET.broadcast_address.packed,
        Option.ROUTER: GATEWAY.packed,
        Option.DNS: GATEWAY.packed,
        Option.MTU: b"\x05\xdc",
        Option.LEASE_TIME: (3600).to_bytes(4, "big"),
        Option.CLIENT_ID: b"\x01me",
    }


@pytest.mark.parametrize(
    ("options", "client", "expected"),
    [
        ({Option.SERVER: GATEWAY.packed, Option.REQUESTED_ADDRESS: ip(3)}, bytes(4), (Kind.ACK, ip(3))),
        ({Option.REQUESTED_ADDRESS: ip(3)}, bytes(4), (Kind.ACK, ip(3))),
        ({}, ip(3), (Kind.ACK, ip(3))),
        ({Option.SERVER: GATEWAY.packed, Option.REQUESTED_ADDRESS: ip(9)}, bytes(4), (Kind.NAK, bytes(4))),
        ({Option.REQUESTED_ADDRESS: bytes([10, 0, 2, 15])}, bytes(4), (Kind.NAK, bytes(4))),
        ({}, ip(9), (Kind.NAK, bytes(4))),
        ({}, bytes(4), (Kind.NAK, bytes(4))),
        ({Option.REQUESTED_ADDRESS: b"\x01\x02"}, bytes(4), (Kind.NAK, bytes(4))),
    ],
    ids=[
        "selecting",
        "reboot",
        "renewing",
        "another",
        "of elsewhere",
        "renewing another",
        "none",
        "cut off",
    ],
)
def test_a_request_is_granted_for_ones_own_address_alone(
    wire: Wire, options: dict[int, bytes], client: bytes, expected: tuple[Kind, bytes]
) -> None:
    kind, yours, _ = _ask(wire.nic(1), Kind.REQUEST, options, client=client)
    assert (kind, yours.packed) == expected


def test_inform_is_answered_without_a_lease(wire: Wire) -> None:
    kind, yours, options = _ask(wire.nic(1), Kind.INFORM, client=ip(77))
    assert (kind, yours) == (Kind.ACK, NOTHING)
    assert Option.LEASE_TIME not in options


@pytest.mark.parametrize("kind", [Kind.RELEASE, Kind.DECLINE, Kind.OFFER, Kind.ACK, Kind.NAK, 0, 99])
def test_other_kinds_have_no_answer_and_no_effect(wire: Wire, kind: int) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send(dhcp_frame(mac(1), dhcp_request(mac(1), kind, {Option.REQUESTED_ADDRESS: ip(3)})))
    assert one.silent(two)
    assert _ask(one, Kind.DISCOVER)[1] == IPv4Address(ip(3))


def test_a_request_for_another_server_has_no_answer(wire: Wire) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send(dhcp_frame(mac(1), dhcp_request(mac(1), Kind.REQUEST, {Option.SERVER: ip(9)})))
    assert one.silent(two)


def test_nobody_asks_in_anothers_name(wire: Wire) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send(*(dhcp_frame(mac(1), dhcp_request(mac(each), Kind.DISCOVER)) for each in range(2, 200)))
    assert one.silent(two)
    assert _ask(wire.nic(3), Kind.DISCOVER)[1] == IPv4Address(ip(5))


def test_others_do_not_hear_what_is_asked(wire: Wire) -> None:
    one, two = wire.nic(1), wire.nic(2)
    _ask(one, Kind.DISCOVER)
    assert two.silent(one)


def test_a_message_that_is_damaged_anywhere_is_survived(wire: Wire) -> None:
    one = wire.nic(1)
    dice = random.Random(19)
    whole = dhcp_frame(mac(1), dhcp_request(mac(1), Kind.DISCOVER, {Option.CLIENT_ID: b"me"}))
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(dice.randrange(1, 4)):
            damaged[dice.randrange(14, len(damaged))] = dice.randrange(256)
        one.send(bytes(damaged[: dice.randrange(14, len(damaged) + 1)]))
    again = wire.nic(1)
    assert _ask(again, Kind.DISCOVER)[1] == IPv4Address(ip(3))


@pytest.mark.parametrize("size", [0, 1, 239, 240, 241, 242])
def test_a_message_that_is_cut_off_is_none(size: int) -> None:
    assert dhcp_message.parse(dhcp_request(mac(1), Kind.DISCOVER)[:size]) is None


def test_an_option_in_pieces_is_joined() -> None:
    data = dhcp_request(mac(1), Kind.DISCOVER)[:-1] + b"\x37\x01\x01" + b"\x00" + b"\x37\x02\x03\x06\xff"
    message = dhcp_message.parse(data)
    assert message is not None
    assert message.options[Option.PARAMETERS] == b"\x01\x03\x06"


def _leases(file: Path, subnet: str = "10.0.0.0/29") -> Leases:
    return Leases(IPv4Network(subnet), frozenset({IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")}), file)


def test_the_networks_the_gateways_and_the_broadcast_number_are_never_given(tmp_path: Path) -> None:
    leases = _leases(tmp_path / "leases.json")
    given = [str(leases.take(mac(number))) for number in range(4)]
    assert given == ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
    with pytest.raises(NoAddressLeft):
        leases.take(mac(9))


def test_leases_survive_their_server(tmp_path: Path) -> None:
    _leases(tmp_path / "leases.json").take(mac(1))
    second = _leases(tmp_path / "leases.json")
    assert str(second.take(mac(2))) == "10.0.0.4"
    assert str(second.take(mac(1))) == "10.0.0.3"


def test_an_address_is_reused_last_and_the_longest_unused_first(tmp_path: Path) -> None:
    leases = _leases(tmp_path / "leases.json")
    for number in range(3):
        leases.take(mac(number))
    leases.release(mac(1))
    leases.release(mac(0))
    again = _leases(tmp_path / "leases.json")
    again.take(mac(2))
    assert [str(again.take(mac(10 + each))) for each in range(3)] == ["10.0.0.6", "10.0.0.4", "10.0.0.3"]


def test_a_lease_file_that_others_wrote_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    file = tmp_path / "leases.json"
    file.write_text(
        '{"10.0.0.3": 7, "10.0.0.4": null,'
        ' "10.0.0.2": "52:55:55:00:00:01", "10.0.0.5": "52:55:55:00:00:02", "10.0.0.6": "52:55:55:00:00:02",'
        ' "x": "y", "192.168.0.1": "52:55:55:00:00:03"}'
    )
    leases = _leases(file)
    assert [str(leases.take(mac(number))) for number in (1, 2, 3)] == ["10.0.0.3", "10.0.0.5", "10.0.0.4"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", '"x"', "\x00\xff", "[" * 100_000, '{"a":' * 100_000]
)
def test_a_lease_file_that_is_none_is_replaced(tmp_path: Path, text: str) -> None:
    file = tmp_path / "leases.json"
    file.write_text(text)
    assert str(_leases(file).take(mac(1))) == "10.0.0.3"
    assert str(_leases(file).take(mac(1))) == "10.0.0.3"


def test_a_lease_file_that_is_no_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "leases.json"
    os.mkfifo(file)
    assert str(_leases(file).take(mac(1))) == "10.0.0.3"


def test_an_instance_gets_the_address_of_a_container_where_no_other_is_left(tmp_path: Path) -> None:
    leases = _leases(tmp_path / "leases.json")
    leases.take_for_instance(mac(1))
    for number in range(100, 103):
        leases.take(mac(number))
    with pytest.raises(NoAddressLeft):
        leases.take(mac(103))
    assert [str(leases.take_for_instance(mac(number))) for number in (2, 3, 4)] == [
        "10.0.0.4", "10.0.0.5", "10.0.0.6",
    ]  # fmt: skip
    with pytest.raises(NoAddressLeft):
        leases.take_for_instance(mac(5))
    assert [str(leases.take(mac(number))) for number in (1, 2)] == ["10.0.0.3", "10.0.0.4"]
