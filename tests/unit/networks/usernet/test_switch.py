# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch, by real stream sockets."""

from __future__ import annotations

import contextlib
import random
import struct
import threading

import pytest
from networks.usernet.wire import (
    DNS_PORT,
    GATEWAY,
    GATEWAY_MAC,
    Nic,
    Wire,
    arp,
    dhcp_frame,
    dhcp_request,
    ip,
    mac,
    tcp,
    udp,
)

from callao.networks.usernet.control import Join
from callao.networks.usernet.dhcp_message import Kind
from callao.networks.usernet.gateway import Gateway
from callao.networks.usernet.members import Members, NotAMember
from callao.networks.usernet.packets import BROADCAST, LONGEST_STREAM_FRAME, checksum, udp_frame


def test_a_frame_goes_to_its_destination_alone(wire: Wire) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    frame = tcp(mac(1), mac(2), b"hello")
    one.send(frame)
    assert two.receive() == frame
    assert three.silent(one)


@pytest.mark.parametrize("target", [BROADCAST, b"\x33\x33\x00\x00\x00\x01", mac(77)])
def test_broadcasts_multicasts_and_unknown_destinations_reach_all_others(wire: Wire, target: bytes) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    frame = tcp(mac(1), target)
    one.send(frame)
    assert two.receive() == three.receive() == frame
    assert one.silent(two)


def test_frames_keep_their_order_and_bytes_however_they_are_cut(wire: Wire) -> None:
    one, two = wire.nic(1), wire.nic(2)
    frames = [tcp(mac(1), mac(2), bytes([number]) * (number * 7)) for number in range(100)]
    stream = b"".join(struct.pack(">I", len(each)) + each for each in frames)
    for at in range(0, len(stream), 1237):
        one.stream.sendall(stream[at : at + 1237])
    assert [two.receive() for _ in frames] == frames


def test_one_sender_with_several_receivers_has_each_frame_at_the_right_one(wire: Wire) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    frames = [tcp(mac(1), mac(2 + number % 2), bytes([number])) for number in range(20)]
    one.send(*frames)
    assert [two.receive() for _ in range(10)] == frames[::2]
    assert [three.receive() for _ in range(10)] == frames[1::2]


def test_an_address_behind_a_port_is_learned(wire: Wire) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    container = mac(500)
    one.send(tcp(container, mac(2)))
    two.receive()
    two.send(tcp(mac(2), container))
    assert one.receive() == tcp(mac(2), container)
    assert three.silent(two)


def test_a_flow_ends_with_its_receiver_and_goes_on_to_who_has_the_address_next(wire: Wire) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    flow = tcp(mac(1), mac(2))
    one.send(flow, flow)
    assert [two.receive() for _ in range(2)] == [flow] * 2
    again = wire.nic(2)
    assert two.ended()
    one.send(flow)
    assert again.receive() == flow
    again.stream.close()
    one.send(tcp(mac(1), mac(3)))
    assert three.receive() == tcp(mac(1), mac(3))
    container = tcp(mac(1), mac(500))
    three.send(tcp(mac(500), mac(1)))
    one.receive()
    one.send(container)
    assert three.receive() == container
    four = wire.nic(500)
    one.send(container)
    assert four.receive() == container


def test_a_port_has_a_bounded_number_of_addresses(wire: Wire) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send(*(tcp(mac(100 + number), mac(2), bytes([number])) for number in range(50)))
    assert [two.receive()[6:12] for _ in range(8)] == [mac(100 + number) for number in range(8)]
    assert two.silent(one)


@pytest.mark.parametrize("forged", [mac(2), mac(3), GATEWAY_MAC, b"\x01\x00\x5e\x00\x00\x01"])
def test_a_frame_with_the_address_of_another_is_dropped(wire: Wire, forged: bytes) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    one.send(tcp(forged, mac(2)), tcp(forged, BROADCAST))
    assert two.silent(one)
    two.send(tcp(mac(2), mac(3)))
    assert three.receive() == tcp(mac(2), mac(3))


def test_an_instance_that_starts_gets_its_address_back_from_who_used_it(wire: Wire) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send(tcp(mac(3), mac(2)))
    two.receive()
    three = wire.nic(3)
    one.send(tcp(mac(3), mac(2)))
    assert two.silent(one)
    two.send(tcp(mac(2), mac(3)))
    assert three.receive() == tcp(mac(2), mac(3))


@pytest.mark.parametrize(
    "ports", [(67, 68), (67, 4000), (4000, 68)], ids=["server", "from its port", "to the clients'"]
)
@pytest.mark.parametrize("target", [BROADCAST, mac(2)])
def test_a_guest_is_no_dhcp_server(wire: Wire, ports: tuple[int, int], target: bytes) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send(tcp(mac(1), mac(2)), udp(mac(1), target, ports), tcp(mac(1), mac(2)))
    assert [two.receive() for _ in range(2)] == [tcp(mac(1), mac(2))] * 2
    assert two.silent(one)


@pytest.mark.parametrize(
    ("sender_ip", "sender"),
    [(GATEWAY.packed, b""), (ip(4), b""), (ip(50), mac(2))],
    ids=["the gateway's", "another's lease", "another's MAC"],
)
def test_a_guest_speaks_arp_for_itself_alone(wire: Wire, sender_ip: bytes, sender: bytes) -> None:
    one, two = wire.nic(1), wire.nic(2)
    assert wire.leases.of(mac(2)) is not None
    one.send(arp(mac(1), sender_ip, ip(9), sender=sender))
    assert two.silent(one)
    one.send(arp(mac(1), ip(3), ip(9)))
    assert two.receive() == arp(mac(1), ip(3), ip(9))


def _ipv6(source: bytes, next_header: int, body: bytes) -> bytes:
    head = b"\x60\x00\x00\x00" + struct.pack(">HBB", len(body), next_header, 255) + bytes(32)
    return b"\x33\x33\x00\x00\x00\x01" + source + b"\x86\xdd" + head + body


@pytest.mark.parametrize(
    ("next_header", "body"),
    [
        (58, b"\x86" + bytes(15)),
        (58, b"\x89" + bytes(15)),
        (0, b"\x3a\x00" + bytes(6) + b"\x86" + bytes(15)),
        (60, b"\x3a\x00" + bytes(6) + b"\x86" + bytes(15)),
        (44, b"\x3a\x00" + bytes(6) + b"\x86" + bytes(15)),
        (44, b"\x2c\x00" + bytes(6) + b"\x3a\x00" + bytes(6) + b"\x86" + bytes(15)),
        (17, struct.pack(">HHHH", 547, 546, 8, 0)),
        (17, struct.pack(">HHHH", 4000, 546, 8, 0)),
        (44, b"\x11\x00" + bytes(6) + struct.pack(">HHHH", 4000, 546, 8, 0)),
        (44, b"\x11\x00" + bytes(6) + b"\x02"),
        (58, b""),
    ],
    ids=[
        "advertisement",
        "redirect",
        "hop-by-hop",
        "destination",
        "fragment",
        "two fragment headers",
        "DHCPv6",
        "DHCPv6 from another port",
        "DHCPv6 in a fragment",
        "cut off in a fragment",
        "cut off",
    ],
)
def test_a_guest_is_no_ipv6_router(wire: Wire, next_header: int, body: bytes) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send(_ipv6(mac(1), next_header, body))
    assert two.silent(one)


@pytest.mark.parametrize(
    ("next_header", "body"),
    [
        (58, b"\x87" + bytes(23)),
        (0, b"\x3a\x00\x05\x02\x00\x00\x01\x00\x8f" + bytes(27)),
        (6, bytes(20)),
        (44, b"\x11\x00\x00\x01" + bytes(4) + struct.pack(">HHHH", 4000, 5000, 8, 0)),
        (44, b"\x11\x00\x00\x08" + bytes(4) + struct.pack(">HHHH", 547, 546, 8, 0)),
    ],
    ids=["neighbour solicitation", "multicast listener report", "TCP", "first fragment", "later fragment"],
)
def test_other_ipv6_passes(wire: Wire, next_header: int, body: bytes) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send(_ipv6(mac(1), next_header, body))
    assert two.receive() == _ipv6(mac(1), next_header, body)


_ADVERTISEMENT = _ipv6(mac(1), 58, b"\x86" + bytes(15))


@pytest.mark.parametrize(
    "tag", [b"\x81\x00\x00\x00", b"\x81\x00\xe0\x00", b"\x88\xa8\x00\x00\x81\x00\x00\x00"]
)
@pytest.mark.parametrize(
    "frame",
    [arp(mac(1), ip(4), ip(9)), udp(mac(1), BROADCAST, (67, 68)), _ADVERTISEMENT],
    ids=["ARP", "DHCP", "router"],
)
def test_a_tag_without_a_vlan_hides_nothing(wire: Wire, frame: bytes, tag: bytes) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send(frame[:12] + tag + frame[12:])
    assert two.silent(one)
    in_vlan = frame[:12] + b"\x81\x00\x00\x07" + frame[12:]
    one.send(in_vlan)
    assert two.receive() == in_vlan


@pytest.mark.parametrize("size", [0, 1, 13, 1519, 65535, 69632])
def test_frames_of_a_wrong_size_are_dropped_alone(wire: Wire, size: int) -> None:
    one, two = wire.nic(1), wire.nic(2)
    one.send((mac(2) + mac(1) + b"\x08\x00" + bytes(70000))[:size], tcp(mac(1), mac(2), b"after"))
    assert two.receive() == tcp(mac(1), mac(2), b"after")


def test_a_member_with_more_names_than_a_message_holds_is_refused_alone(wire: Wire) -> None:
    members = Members(GATEWAY, wire.leases, wire.switch)
    hosts = [{f"{own}{number:060}.{'n' * 20}": "10.1.2.3" for number in range(6_000)} for own in "ab"]
    first = members.add(Join("one", mac(1).hex(":"), hosts=hosts[0]))
    with pytest.raises(NotAMember, match=r"make \d+ bytes of names .allowed: 1048576.: remove some"):
        members.add(Join("two", mac(2).hex(":"), hosts=hosts[1]))
    assert members.add(Join("three", mac(3).hex(":"))).address != first.address
    assert len(members) == 2


def test_a_stream_out_of_step_ends_alone_and_is_told(wire: Wire) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    one.stream.sendall(b"\xff" * 100)
    assert one.ended()
    two.send(tcp(mac(2), mac(3)))
    assert three.receive() == tcp(mac(2), mac(3))
    assert wire.lost == [(mac(1), "a frame of 4294967295 bytes; the longest has 131072")]


def test_what_a_nic_sent_before_its_end_is_no_fault(wire: Wire) -> None:
    one, two = wire.nic(1), wire.nic(2)
    asked = dhcp_frame(mac(1), dhcp_request(mac(1), Kind.DISCOVER))
    frames = [asked, tcp(mac(1), BROADCAST), tcp(mac(9), BROADCAST)]

    async def end_before_it_is_read() -> None:
        one.send(*frames)
        one.stream.close()

    wire.do(end_before_it_is_read())
    two.send(tcp(mac(9), BROADCAST))
    again = wire.nic(1)
    again.send(tcp(mac(9), BROADCAST), tcp(mac(1), BROADCAST, b"again"))
    while two.receive() != tcp(mac(1), BROADCAST, b"again"):
        pass
    assert wire.faults == []


def test_half_a_frame_waits_for_its_end_and_goes_with_its_nic(wire: Wire) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    one.stream.sendall(struct.pack(">I", 100) + mac(3))
    two.send(tcp(mac(2), mac(3)))
    assert three.receive() == tcp(mac(2), mac(3))
    one.stream.close()
    again = wire.nic(1)
    again.send(tcp(mac(1), mac(3)))
    assert three.receive() == tcp(mac(1), mac(3))


def test_a_flood_of_broadcasts_leaves_the_others_their_frames(wire: Wire) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    one.send(*([tcp(mac(1), BROADCAST, bytes(1000))] * 5_000))
    two.send(tcp(mac(2), mac(3), b"mine"))
    heard = 0
    while three.receive() != tcp(mac(2), mac(3), b"mine"):
        heard += 1
    assert heard < 3_000


def test_a_guest_that_does_not_read_costs_bounded_memory_and_nobody_else(wire: Wire) -> None:
    one, two, three = wire.nic(1), wire.nic(2), wire.nic(3)
    one.send(*([tcp(mac(1), mac(2), bytes(1400))] * 4_000))
    three.send(tcp(mac(3), mac(2), b"from three"))
    one.send(tcp(mac(1), mac(3), b"to three"))
    assert three.receive() == tcp(mac(1), mac(3), b"to three")
    received = 0
    while (frame := two.receive()) != tcp(mac(3), mac(2), b"from three"):
        assert frame == tcp(mac(1), mac(2), bytes(1400))
        received += 1
    assert received < 2_000


def test_arp_for_the_gateway_goes_to_the_uplink_alone(wire: Wire) -> None:
    up, one, two = wire.uplink(), wire.nic(1), wire.nic(2)
    one.send(arp(mac(1), ip(3), GATEWAY.packed))
    assert up.receive() == arp(mac(1), ip(3), GATEWAY.packed)
    assert two.silent(one)


def test_what_is_sent_to_the_gateways_address_goes_to_the_uplink_and_back(wire: Wire) -> None:
    up, one = wire.uplink(), wire.nic(1)
    one.send(tcp(mac(1), GATEWAY_MAC))
    assert up.receive() == tcp(mac(1), GATEWAY_MAC)
    up.send(tcp(GATEWAY_MAC, mac(1)), arp(GATEWAY_MAC, GATEWAY.packed, ip(3)))
    assert one.receive() == tcp(GATEWAY_MAC, mac(1))
    assert one.receive() == arp(GATEWAY_MAC, GATEWAY.packed, ip(3))


def test_answers_of_the_uplinks_own_dhcp_server_are_dropped(wire: Wire) -> None:
    up, one = wire.uplink(), wire.nic(1)
    up.send(udp(GATEWAY_MAC, mac(1), (67, 68)), tcp(GATEWAY_MAC, mac(1), b"after"))
    assert one.receive() == tcp(GATEWAY_MAC, mac(1), b"after")


def _summed(source: bytes, target: bytes, ports: tuple[int, int], payload: bytes) -> bytes:
    """UDP's checksum, over the pseudo-header of RFC 768."""
    length = 8 + len(payload)
    header = struct.pack(">HHHH", *ports, length, 0)
    pseudo = source + target + struct.pack(">BBH", 0, 17, length)
    data = pseudo + header + payload
    return checksum(data + b"\0" * (len(data) % 2)).to_bytes(2, "big")


@pytest.mark.parametrize("payload", [b"question", b"odd", b"\xff" * 40, b""])
def test_dns_of_the_gateway_is_led_to_the_name_server_and_back(wire: Wire, payload: bytes) -> None:
    up, one = wire.uplink(), wire.nic(1)

    def datagram(ends: tuple[bytes, bytes], addresses: tuple[bytes, bytes], ports: tuple[int, int]) -> bytes:
        frame = udp_frame(ends, addresses, ports, payload)
        return frame[:40] + _summed(*addresses, ports, payload) + frame[42:]

    there, back = (ip(3), GATEWAY.packed), (GATEWAY.packed, ip(3))
    one.send(datagram((mac(1), GATEWAY_MAC), there, (5000, 53)))
    assert up.receive() == datagram((mac(1), GATEWAY_MAC), there, (5000, DNS_PORT + 1))
    up.send(datagram((GATEWAY_MAC, mac(1)), back, (DNS_PORT + 1, 5000)))
    assert one.receive() == datagram((GATEWAY_MAC, mac(1)), back, (53, 5000))


def test_each_nic_has_a_name_server_of_its_own(wire: Wire) -> None:
    up, one, two = wire.uplink(), wire.nic(1), wire.nic(2)
    for nic, port in ((one, DNS_PORT + 1), (two, DNS_PORT + 2)):
        nic.send(udp_frame((nic.mac, GATEWAY_MAC), (ip(3), GATEWAY.packed), (5000, 53), b"question"))
        assert up.receive()[36:38] == port.to_bytes(2, "big")
    for port in (DNS_PORT + 1, DNS_PORT + 2):  # by its own port, nobody's is reached
        one.send(udp_frame((mac(1), GATEWAY_MAC), (ip(3), GATEWAY.packed), (5000, port), b"question"))
    one.send(tcp(mac(1), GATEWAY_MAC, b"after"))
    assert up.receive() == tcp(mac(1), GATEWAY_MAC, b"after")


def test_questions_of_a_guest_that_floods_are_dropped_and_not_those_of_others() -> None:
    now = [0.0]
    gateway = Gateway(GATEWAY_MAC, GATEWAY.packed, lambda: now[0])
    for number in (1, 2):
        gateway.add_name_server(mac(number), DNS_PORT + number, DNS_PORT + number)

    def asks(number: int) -> bool:
        ends, addresses = (mac(number), GATEWAY_MAC), (ip(number), GATEWAY.packed)
        return gateway.outbound(
            mac(number), memoryview(bytearray(udp_frame(ends, addresses, (5000, 53), b"question")))
        )

    assert sum(asks(1) for _ in range(2000)) == 1000
    assert asks(2)
    now[0] = 1.0
    assert sum(asks(1) for _ in range(2000)) == 500


def test_port_53_of_other_servers_is_left_alone(wire: Wire) -> None:
    up, one = wire.uplink(), wire.nic(1)
    frame = udp_frame((mac(1), GATEWAY_MAC), (ip(3), bytes([9, 9, 9, 9])), (5000, 53), b"question")
    one.send(frame)
    assert up.receive() == frame


def test_no_bytes_of_a_guest_or_of_the_uplink_are_a_fault(wire: Wire) -> None:
    dice = random.Random(19)
    up, one, two = wire.uplink(), wire.nic(1), wire.nic(2)
    whole = [
        tcp(mac(1), mac(2)),
        udp(mac(1), GATEWAY_MAC, (5000, 53)),
        udp(mac(1), BROADCAST, (68, 67)),
        arp(mac(1), ip(3), ip(9)),
        _ipv6(mac(1), 44, b"\x3a\x00" + bytes(30)),
        udp(GATEWAY_MAC, mac(1), (DNS_PORT + 1, 5000)),
    ]
    reading = [threading.Thread(target=_drain, args=(each,)) for each in (up, one, two)]
    for each in reading:
        each.start()
    for _ in range(3000):
        frame = bytearray(dice.choice(whole))
        for _ in range(dice.randrange(4)):
            frame[dice.randrange(len(frame))] = dice.randrange(256)
        dice.choice((one, up)).send(
            bytes(frame[: dice.randrange(len(frame) + 1)]), dice.randbytes(dice.randrange(60))
        )
    one.send(bytes(LONGEST_STREAM_FRAME), bytes(LONGEST_STREAM_FRAME - 3), bytes(LONGEST_STREAM_FRAME))
    wire.close()
    for each in reading:
        each.join()
    assert wire.faults == []


def _drain(nic: Nic) -> None:
    with contextlib.suppress(OSError):
        while nic.stream.recv(1 << 16):
            pass
