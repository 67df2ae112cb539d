# SPDX-License-Identifier: GPL-3.0-or-later
"""What root in a guest may try with raw frames."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from egress.frames import (
    ACK,
    DNS,
    GATEWAY,
    GUEST,
    OUTSIDE,
    RST,
    SYN,
    ends,
    ethernet,
    ipv4,
    is_valid,
    tcp,
    udp,
)
from hypothesis import given
from hypothesis import strategies as st

from callao.egress import Policy
from callao.egress.gate import Gate, Verdict
from callao.egress.refusals import Refusals
from callao.guest_network import USER_MODE

RESOLVER, RELAY = 61053, 40123


class Guest:
    """A gate, and a relay for ``OUTSIDE`` alone."""

    def __init__(self, *allow: str) -> None:
        self.refusals = Refusals(Path("/nonexistent/egress.log"))
        self.now = 0.0
        self.gate = Gate(USER_MODE, self.policy(*allow), self.refusals, self._relay, lambda: self.now)
        self.gate.add_name_server(RESOLVER, RESOLVER)
        self.relayed: list[tuple[str, int]] = []

    @staticmethod
    def policy(*allow: str) -> Policy:
        return Policy.of(allow, USER_MODE.subnet, USER_MODE.gateway)

    def sends(self, frame: bytes) -> tuple[Verdict, bytes]:
        data = bytearray(frame)
        return self.gate.outbound(memoryview(data)), bytes(data)

    def gets(self, frame: bytes) -> tuple[Verdict, bytes]:
        data = bytearray(frame)
        return self.gate.inbound(memoryview(data)), bytes(data)

    def passes(self, frame: bytes) -> bool:
        return self.sends(frame)[0] is Verdict.PASS

    def _relay(self, address: IPv4Address, port: int) -> int:
        if (str(address), port) != (OUTSIDE, 443):
            return 0
        self.relayed.append((str(address), port))
        return RELAY


@pytest.mark.parametrize(
    "frame",
    [
        tcp(("8.8.8.8", 443)),
        tcp(("8.8.8.8", 443), SYN | 0x08),
        tcp(("8.8.8.8", 443), ACK),
        tcp((OUTSIDE, 80)),
        tcp((GATEWAY, 22)),
        tcp((GATEWAY, RELAY)),
        tcp((GATEWAY, RESOLVER)),
        tcp(("127.0.0.1", 22)),
        tcp((DNS, 22)),
        tcp(("192.168.5.255", 22)),
        tcp(("255.255.255.255", 22)),
        udp(("8.8.8.8", 53)),
        udp((GATEWAY, 53)),
        udp((GATEWAY, RESOLVER)),
        udp((GATEWAY, 69)),
        udp((GATEWAY, 67)),
        udp((OUTSIDE, 443)),
        udp(("255.255.255.255", 53)),
        udp(("224.0.0.251", 5353)),
        tcp((OUTSIDE, 443), source=("10.0.0.1", 40000)),
        tcp((OUTSIDE, 443), source=(GATEWAY, 40000)),
        tcp((OUTSIDE, 443), source=("0.0.0.0", 40000)),
        udp((DNS, 53), source=("0.0.0.0", 68)),
        ipv4(6, GUEST, OUTSIDE, bytes(40), fragment=0x2000),
        ipv4(6, GUEST, OUTSIDE, bytes(40), fragment=1),
        ipv4(17, GUEST, DNS, bytes(40), fragment=0x1FFF),
        ipv4(1, GUEST, "8.8.8.8", b"\x08\x00" + bytes(30)),
        ipv4(1, GUEST, GATEWAY, b"\x05\x00" + bytes(30)),
        ipv4(2, GUEST, "224.0.0.1", bytes(30)),
        ipv4(47, GUEST, OUTSIDE, bytes(30)),
        ipv4(41, GUEST, OUTSIDE, bytes(60)),
        ipv4(6, GUEST, OUTSIDE, bytes(10)),
        ethernet(b"\x46" + ipv4(6, GUEST, OUTSIDE, bytes(60))[15:]),
        ethernet(b"\x65" + ipv4(6, GUEST, OUTSIDE, bytes(60))[15:]),
        ethernet(b"\x60" + bytes(60), 0x86DD),
        ethernet(b"\x00\x00\x08\x00" + tcp((OUTSIDE, 443))[14:], 0x8100),
        ethernet(bytes(60), 0x88A8),
        ethernet(bytes(60), 0x8863),
        ethernet(bytes(10)),
        tcp((OUTSIDE, 443))[:40],
        b"",
    ],
)
def test_what_is_not_known_to_be_allowed_does_not_pass(frame: bytes) -> None:
    guest = Guest("*.example.org")
    guest.gets(tcp((GUEST, 22), SYN, (GATEWAY, 50000)))
    verdict, _ = guest.sends(frame)
    assert verdict is not Verdict.PASS


def test_a_refused_connection_is_reset_and_listed() -> None:
    guest = Guest()
    assert guest.sends(tcp(("8.8.8.8", 443)))[0] is Verdict.RESET
    (refused,) = guest.refusals.listed()
    assert (refused["protocol"], refused["address"], refused["port"]) == ("tcp", "8.8.8.8", 443)


def test_a_connection_to_the_address_of_a_name_ends_at_the_relay() -> None:
    guest = Guest()
    verdict, out = guest.sends(tcp((OUTSIDE, 443), payload=b"even"))
    assert verdict is Verdict.PASS
    assert ends(out) == (GUEST, 40000, GATEWAY, RELAY)
    assert is_valid(out)
    verdict, back = guest.gets(tcp((GUEST, 40000), SYN | ACK, (GATEWAY, RELAY)))
    assert verdict is Verdict.PASS
    assert ends(back) == (OUTSIDE, 443, GUEST, 40000)
    assert is_valid(back)
    assert guest.relayed == [(OUTSIDE, 443)]


def test_questions_to_the_name_server_end_at_the_resolver() -> None:
    guest = Guest()
    verdict, out = guest.sends(udp((DNS, 53)))
    assert (verdict, ends(out), is_valid(out)) == (Verdict.PASS, (GUEST, 40000, GATEWAY, RESOLVER), True)
    _, back = guest.gets(udp((GUEST, 40000), (GATEWAY, RESOLVER)))
    assert (ends(back), is_valid(back)) == ((DNS, 53, GUEST, 40000), True)


def test_a_flood_of_questions_is_limited() -> None:
    guest = Guest()
    assert sum(guest.passes(udp((DNS, 53))) for _ in range(5000)) == 1000


def test_the_guest_answers_what_the_host_connects_to_but_cannot_connect_back() -> None:
    guest = Guest()
    answer = tcp((GATEWAY, 50000), SYN | ACK, (GUEST, 22))
    assert not guest.passes(answer)
    guest.gets(tcp((GUEST, 22), SYN, (GATEWAY, 50000)))
    assert guest.passes(answer)
    assert guest.passes(tcp((GATEWAY, 50000), ACK, (GUEST, 22)))
    assert guest.passes(tcp((GATEWAY, 50000), RST, (GUEST, 22)))
    assert not guest.passes(tcp((GATEWAY, 50000), SYN, (GUEST, 22)))
    assert not guest.passes(tcp((GATEWAY, 50000), ACK, (GUEST, 23)))
    assert not guest.passes(tcp((GATEWAY, 50001), ACK, (GUEST, 22)))


def test_the_guest_answers_datagrams_of_a_forward_for_a_while() -> None:
    guest = Guest()
    answer = udp((GATEWAY, 50000), (GUEST, 5000))
    assert not guest.passes(answer)
    guest.gets(udp((GUEST, 5000), (GATEWAY, 50000)))
    assert guest.passes(answer)
    guest.now = 301
    assert not guest.passes(answer)


def test_addresses_of_rules_are_reached_directly() -> None:
    guest = Guest("10.0.0.0/8:5432", "10.0.0.53:53/udp", "192.168.5.2:8080")
    for frame in (
        tcp(("10.1.1.1", 5432)),
        tcp(("10.1.1.1", 5432), ACK),
        udp(("10.0.0.53", 53)),
        tcp((GATEWAY, 8080)),
    ):
        assert guest.sends(frame) == (Verdict.PASS, frame)
    for frame in (
        tcp(("10.1.1.1", 22)),
        tcp(("10.0.0.53", 53)),
        udp(("10.1.1.1", 5432)),
        tcp((GATEWAY, 8081)),
    ):
        assert not guest.passes(frame)


def test_other_rules_hold_at_once_for_what_is_open() -> None:
    guest = Guest("10.0.0.0/8")
    assert guest.passes(tcp(("10.1.1.1", 5432), ACK))
    guest.gate.replace(guest.policy("11.0.0.0/8"))
    assert not guest.passes(tcp(("10.1.1.1", 5432), ACK))
    assert guest.passes(tcp(("11.1.1.1", 5432), ACK))


def test_what_a_guest_needs_to_have_an_address_passes() -> None:
    guest = Guest()
    assert guest.passes(udp(("255.255.255.255", 67), ("0.0.0.0", 68)))
    assert guest.passes(udp((GATEWAY, 67), (GUEST, 68)))
    assert guest.passes(ethernet(b"\x00\x01\x08\x00\x06\x04" + bytes(22), 0x0806))
    assert guest.passes(ipv4(1, GUEST, GATEWAY, b"\x08\x00" + bytes(30)))


def test_ipv6_does_not_come_in_either() -> None:
    assert Guest().gets(ethernet(b"\x60" + bytes(60), 0x86DD))[0] is Verdict.DROP


def ipv6(protocol: int, payload: bytes, target: str = "2606:4700::1111", source: str = "fec0::15") -> bytes:
    addresses = IPv6Address(source).packed + IPv6Address(target).packed
    head = struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64)
    return ethernet(head + addresses + payload, 0x86DD)


def segment(port: int, flags: int = SYN) -> bytes:
    return struct.pack(">HHIIBBHHH", 40000, port, 7, 0, 0x50, flags, 1000, 0, 0)


def solicitation(asked: str, source: str = "fec0::15", size: int = 16) -> bytes:
    body = bytes([135]) + bytes(7) + IPv6Address(asked).packed[:size]
    return ipv6(58, body, f"ff02::1:ff00:{IPv6Address(asked).packed[-1]:x}", source)


@pytest.mark.parametrize(
    ("frame", "listed"),
    [
        (ipv6(6, segment(443)), ("tcp", "2606:4700::1111", 443)),
        (ipv6(6, segment(22), "fe80::2"), ("tcp", "fe80::2", 22)),
        (ipv6(17, struct.pack(">HHHH", 40000, 443, 8, 0)), ("udp", "2606:4700::1111", 443)),
        (ipv6(17, struct.pack(">HHHH", 40000, 53, 8, 0), "fec0::3"), ("dns", "fec0::3", 53)),
        (ipv6(58, b"\x80" + bytes(7)), ("icmp", "2606:4700::1111", 0)),
        (ipv6(44, bytes(8) + segment(443)), ("ip-44", "2606:4700::1111", 0)),
        (solicitation("fec0::2"), ("ipv6", "fec0::2", 0)),
        (ethernet(b"\x60" + bytes(30), 0x86DD), ("ipv6", "", 0)),
    ],
)
def test_attempts_by_ipv6_are_dropped_and_listed(frame: bytes, listed: tuple[str, str, int]) -> None:
    guest = Guest("*")
    assert guest.sends(frame) == (Verdict.DROP, frame)
    (refused,) = guest.refusals.listed()
    assert (refused["protocol"], refused["address"], refused["port"]) == listed


@pytest.mark.parametrize(
    "frame",
    [
        solicitation("fec0::15", source="::"),
        solicitation("fe80::2"),
        solicitation("fec0::2", size=9),
        ipv6(58, b"\x85" + bytes(7), "ff02::2"),
        ipv6(58, b"\x88" + bytes(23), "fe80::2"),
        ipv6(0, b"\x3a\0\5\2\0\0\1\0\x8f" + bytes(27), "ff02::16"),
        ipv6(17, struct.pack(">HHHH", 546, 547, 8, 0), "ff02::1:2"),
        ipv6(6, segment(443, ACK)),
        ipv6(6, segment(443)[:8]),
    ],
)
def test_what_a_kernel_sends_by_ipv6_by_itself_is_dropped_and_not_listed(frame: bytes) -> None:
    guest = Guest("*")
    assert guest.sends(frame) == (Verdict.DROP, frame)
    assert guest.refusals.listed() == []


def test_a_flood_of_ipv6_takes_little_memory() -> None:
    guest = Guest()
    for number in range(10_000):
        guest.sends(ipv6(6, segment(1 + number), f"2001:db8::{number:x}"))
    assert guest.refusals.total == 10_000
    assert len(guest.refusals.listed()) == 256


def test_the_resolver_that_the_guest_s_program_is_told_is_reached_at_its_port() -> None:
    guest = Guest()
    guest.gate.open_port(17, 61060)
    frame = udp((GATEWAY, 61060))
    assert guest.sends(frame) == (Verdict.PASS, frame)
    assert not guest.passes(tcp((GATEWAY, 61060)))


def test_ten_thousand_attempts_are_refused_and_take_little_memory() -> None:
    guest = Guest("*.example.org")
    through = 0
    for number in range(10_000):
        target = (str(IPv4Address(0x08000000 + number * 7919)), 1 + number % 65535)
        through += guest.passes(tcp(target)) + guest.passes(udp(target))
    assert through == 0
    assert guest.refusals.total == 20_000
    assert len(guest.refusals.listed()) == 256


@given(st.binary(max_size=120), st.integers(0, 60))
def test_any_bytes_leave_the_guest_only_to_the_relay_or_the_name_server(noise: bytes, at: int) -> None:
    guest = Guest()
    base = tcp((OUTSIDE, 443), payload=bytes(40))
    for frame in (noise, base[:at] + noise, base[:at] + noise + base[at + len(noise) :]):
        verdict, out = guest.sends(frame)
        if verdict is Verdict.PASS and out[12:14] == b"\x08\x00":
            assert out[30:34] in (bytes([192, 168, 5, 2]), b"\xff" * 4)


def test_an_address_that_new_rules_allow_itself_is_reached_past_the_relay_of_its_name() -> None:
    guest = Guest()
    request = tcp((OUTSIDE, 443))
    assert guest.sends(request) != (Verdict.PASS, request)
    guest.gate.replace(guest.policy(f"{OUTSIDE}:443"))
    assert guest.sends(request) == (Verdict.PASS, request)
    verdict, reset = guest.gets(tcp((GUEST, 40000), RST, (GATEWAY, RELAY)))
    assert verdict is Verdict.PASS, "the end of a connection by the relay still reaches the guest"
    assert reset == tcp((GUEST, 40000), RST, (OUTSIDE, 443))
