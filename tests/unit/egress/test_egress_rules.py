# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callao.config.egress_rules import InvalidRule, parse_rule
from callao.egress import Policy
from callao.egress.own_addresses import own_addresses

SUBNET, GATEWAY = "192.168.5.0/24", "192.168.5.2"
OWN = "10.20.30.40"
"""An address of the host."""


def policy(*allow: str) -> Policy:
    return replace(Policy.of(allow, SUBNET, GATEWAY), own=lambda: frozenset({IPv4Address(OWN)}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "neither"),
        ("a b", "neither"),
        ("exa_mple.org", "neither"),
        ("-a.org", "neither"),
        ("*.", "neither"),
        ("a.*.org", "neither"),
        ("10.0.0.1/8", "host bits"),
        ("10.0.0.0/33", "neither an IPv4"),
        ("1.2.3", "neither an IPv4"),
        ("::1", "IPv6"),
        ("[::1]:443", "IPv6"),
        ("a.org:", "no port"),
        ("a.org:0", "1 to 65535"),
        ("a.org:65536", "1 to 65535"),
        ("a.org:9-8", "1 to 65535"),
        ("a.org:80,", "where a port belongs"),
        ("a.org:http", "where a port belongs"),
        ("a.org:53/udp", "only TCP"),
        ("https://a.org", "where a port belongs"),
    ],
)
def test_an_entry_that_is_no_rule_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidRule, match=why):
        parse_rule(text)


@pytest.mark.parametrize(
    ("rule", "name", "port", "allowed"),
    [
        ("a.org", "a.org", 443, True),
        ("a.org", "a.org", 80, True),
        ("a.org", "a.org", 22, False),
        ("a.org:22,8000-8010", "a.org", 22, True),
        ("a.org:22,8000-8010", "a.org", 8010, True),
        ("a.org:22,8000-8010", "a.org", 443, False),
        ("a.org:*", "a.org", 65535, True),
        ("A.Org.", "a.org", 443, True),
        ("a.org", "b.a.org", 443, False),
        ("*.a.org", "b.a.org", 443, True),
        ("*.a.org", "c.b.a.org", 443, True),
        ("*.a.org", "a.org", 443, False),
        ("*.a.org", "xa.org", 443, False),
        ("*", "whatever.example", 443, True),
        ("a.org", "a.org.evil.example", 443, False),
        ("10.0.0.0/8", "a.org", 443, False),
    ],
)
def test_names_are_allowed_by_name_and_port(rule: str, name: str, port: int, allowed: bool) -> None:
    assert policy(rule).allows_name(name, port) is allowed


@pytest.mark.parametrize(
    ("rule", "address", "port", "protocol", "allowed"),
    [
        ("10.0.0.0/8:5432", "10.1.2.3", 5432, "tcp", True),
        ("10.0.0.0/8:5432", "10.1.2.3", 5433, "tcp", False),
        ("10.0.0.0/8:5432", "11.1.2.3", 5432, "tcp", False),
        ("10.0.0.0/8", "10.1.2.3", 1, "tcp", True),
        ("10.0.0.0/8", "10.1.2.3", 53, "udp", False),
        ("10.0.0.53:53/udp", "10.0.0.53", 53, "udp", True),
        ("10.0.0.53:53/udp", "10.0.0.53", 53, "tcp", False),
        ("10.0.0.1:22/tcp", "10.0.0.1", 22, "tcp", True),
        ("0.0.0.0/0", "8.8.8.8", 443, "tcp", True),
        ("0.0.0.0/0", "127.0.0.1", 22, "tcp", False),
        ("127.0.0.1", "127.0.0.1", 22, "tcp", False),
        ("0.0.0.0/0", "169.254.169.254", 80, "tcp", False),
        ("0.0.0.0/0", "192.168.5.2", 22, "tcp", False),
        ("192.168.0.0/16", "192.168.5.2", 22, "tcp", False),
        ("10.0.0.0/8", OWN, 22, "tcp", False),
        (OWN, OWN, 22, "tcp", True),
        ("0.0.0.0/0", "168.63.129.16", 80, "tcp", False),
        ("100.100.100.200", "100.100.100.200", 80, "tcp", False),
        ("192.168.5.2:8080", "192.168.5.2", 8080, "tcp", True),
        ("192.168.5.2:8080", "192.168.5.2", 22, "tcp", False),
        ("0.0.0.0/0", "192.168.5.3", 53, "tcp", False),
        ("0.0.0.0/0", "255.255.255.255", 80, "tcp", False),
        ("0.0.0.0/0", "224.0.0.1", 80, "tcp", False),
        ("0.0.0.0/0", "0.0.0.0", 80, "tcp", False),
    ],
)
def test_addresses_are_allowed_by_network_port_and_protocol(
    rule: str, address: str, port: int, protocol: str, allowed: bool
) -> None:
    assert policy(rule).allows_address(IPv4Address(address), port, protocol) is allowed


@given(st.integers(0, 2**32 - 1), st.integers(1, 65535), st.text(max_size=40))
def test_without_rules_nothing_is_allowed(address: int, port: int, name: str) -> None:
    nothing = policy()
    assert not nothing.allows_address(IPv4Address(address), port)
    assert not nothing.allows_name(name, port)
    assert not nothing.knows_name(name)


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse_rule(text)
    except InvalidRule:
        return
    assert (rule.network is None) == bool(rule.name)
    assert all(1 <= first <= last <= 65535 for first, last in rule.ports)


@given(st.integers(0, 255), st.integers(1, 65535))
def test_no_network_of_many_addresses_leads_to_the_host(third: int, port: int) -> None:
    for wide in ("0.0.0.0/0", "192.168.0.0/16", "192.168.5.0/24", "192.168.5.2/31"):
        assert not policy(wide).allows_address(IPv4Address(f"192.168.5.{third}"), port)


def test_a_name_leads_to_the_host_only_where_the_user_says_so() -> None:
    rules = policy("a.org")
    for host in (GATEWAY, OWN):
        assert rules.may_be_of_name(IPv4Address(host), configured=True)
        assert not rules.may_be_of_name(IPv4Address(host), configured=False)
    for special in ("127.0.0.1", "169.254.169.254", "100.100.100.200", "192.168.5.3", "0.0.0.0"):
        assert not rules.may_be_of_name(IPv4Address(special), configured=True)
    assert rules.may_be_of_name(IPv4Address("10.0.0.1"), configured=False)


def test_the_hosts_own_addresses_are_those_of_its_interfaces() -> None:
    assert IPv4Address("127.0.0.1") in own_addresses()
    for address in own_addresses():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind((str(address), 0))  # nobody binds to another's
