# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that come from the host's getaddrinfo."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from dnslib import RCODE
from resolver.running import question, shown
from resolver.upstream import says

from callao.resolver import Rules
from callao.resolver.hostnames import HostNames, for_guest

GATEWAY = IPv4Address("192.168.5.2")
IPV6 = Rules(ipv6=True)


def loopback_names() -> Iterator[str]:
    """Names other than localhost that this host's own hosts file places on 127.0.0.0/8."""
    for line in Path("/etc/hosts").read_text().splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if address.startswith("127."):
            yield from (name for name in names if not name.startswith("localhost"))


@pytest.fixture
def getaddrinfo(monkeypatch: pytest.MonkeyPatch):
    """Replaces what this host cannot be made to say: a function of name and family."""

    def replace(say) -> None:
        def fake(host, port, family, kind, proto, flags):
            assert flags == socket.AI_CANONNAME
            official, addresses = say(host.decode(), family)
            return [(family, kind, 6, official, (address, 0)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", fake)

    return replace


@pytest.mark.skipif(not any(loopback_names()), reason="the hosts file has localhost alone")
@pytest.mark.parametrize(("gateway", "expected"), [(None, "127."), (GATEWAY, "192.168.5.2")])
def test_the_host_s_loopback_names_mean_the_host(serve, gateway: IPv4Address | None, expected: str) -> None:
    reply = serve(gateway=gateway).ask(next(loopback_names()))
    assert all(str(rr.rdata).startswith(expected) for rr in reply.rr)
    assert [rr.ttl for rr in reply.rr] == [5]


@pytest.mark.skipif(not any(loopback_names()), reason="the hosts file has localhost alone")
def test_a_real_name_without_an_address_of_the_family_is_there_nevertheless(serve) -> None:
    reply = serve(IPV6, gateway=GATEWAY).ask(next(loopback_names()), "AAAA")
    assert (RCODE[reply.header.rcode], reply.rr) == ("NOERROR", [])


@pytest.mark.parametrize("name", ["127.1", "10.0.0.1", "2130706433", "0x7f000001", "a.0x1"])
def test_a_number_is_no_host(serve, name: str) -> None:
    assert RCODE[serve().ask(name).header.rcode] == "NXDOMAIN"


@pytest.mark.parametrize("name", ["single", "two.labels"])
@pytest.mark.parametrize(
    ("here", "other", "expected"),
    [
        ("EAI_NONAME", "EAI_NONAME", "NXDOMAIN"),
        ("EAI_NONAME", "EAI_NODATA", "NOERROR"),
        ("EAI_NONAME", "EAI_AGAIN", "SERVFAIL"),
        ("EAI_NONAME", "", "NOERROR"),
        ("EAI_NODATA", "EAI_AGAIN", "NOERROR"),
        ("EAI_AGAIN", "", "SERVFAIL"),
        ("EAI_FAIL", "", "SERVFAIL"),
    ],
)
def test_names_that_are_not_there_differ_from_those_without_addresses(
    serve, getaddrinfo, name: str, here: str, other: str, expected: str
) -> None:
    def say(host: str, family: int):
        assert host == name
        error = here if family == socket.AF_INET else other
        if error:
            raise socket.gaierror(getattr(socket, error), "")
        return "", ["fd00::1"]

    getaddrinfo(say)
    reply = serve(IPV6).ask(name)
    assert (RCODE[reply.header.rcode], reply.rr) == (expected, [])


def test_the_official_name_comes_as_an_alias(serve, getaddrinfo) -> None:
    getaddrinfo(lambda host, family: ("Web.Corp.test", ["10.0.0.1", "10.0.0.2", "10.0.0.1"]))
    assert shown(serve().ask("Web")) == [
        "Web. CNAME web.corp.test.",
        "web.corp.test. A 10.0.0.1",
        "web.corp.test. A 10.0.0.2",
    ]


@pytest.mark.parametrize("official", ["WEB", "", "no name"])
def test_an_official_name_that_says_no_more_is_left_out(serve, getaddrinfo, official: str) -> None:
    getaddrinfo(lambda host, family: (official, ["10.0.0.1"]))
    assert shown(serve().ask("web")) == ["web. A 10.0.0.1"]


@pytest.mark.parametrize(
    ("addresses", "gateway", "expected"),
    [
        (["127.0.0.1", "127.0.1.1", "10.0.0.1"], GATEWAY, ["192.168.5.2", "10.0.0.1"]),
        (["127.0.1.1"], None, ["127.0.1.1"]),
        (["::1", "fd00::1"], GATEWAY, ["fd00::1"]),
        (["::1"], None, ["::1"]),
        (["fe80::1%2", "2001:db8::1"], None, ["2001:db8::1"]),
        (["169.254.0.1"], GATEWAY, ["169.254.0.1"]),
    ],
)
def test_addresses_are_those_that_lead_there_from_the_guest(
    addresses: list[str], gateway: IPv4Address | None, expected: list[str]
) -> None:
    found = for_guest(tuple(ipaddress.ip_address(each) for each in addresses), gateway)
    assert [str(each) for each in found] == expected


def test_a_name_that_no_hosts_file_could_hold_is_left_to_name_servers(forwarding) -> None:
    running, server = forwarding(says("odd.test. 60 A 10.0.0.1"))
    assert shown(running.ask(r"o/d.test")) == ["odd.test. A 10.0.0.1"]
    assert server.lookup == ["o/d.test./A/udp"]


def test_a_slow_name_holds_up_no_other_and_is_looked_up_once(serve, getaddrinfo) -> None:
    go_on, called = threading.Event(), []

    def say(host: str, family: int):
        called.append(host)
        if host == "slow":
            go_on.wait(20)
        return "", ["10.0.0.1"]

    getaddrinfo(say)
    running = serve()
    with running.datagrams() as client:
        for _ in range(3):
            client.send(question("slow").pack())
        assert shown(running.ask("quick")) == ["quick. A 10.0.0.1"]
        go_on.set()
        assert len([client.recv(512) for _ in range(3)]) == 3
    assert sorted(called) == ["quick", "slow"]


def test_at_most_sixteen_names_are_looked_up_at_a_time(serve, getaddrinfo) -> None:
    lock, at_once, most = threading.Lock(), [0], [0]
    sixteen, pause = threading.Event(), threading.Event()

    def say(host: str, family: int):
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            if at_once[0] == 16:
                sixteen.set()
        sixteen.wait(20)
        pause.wait(0.01)
        with lock:
            at_once[0] -= 1
        return "", ["10.0.0.1"]

    getaddrinfo(say)
    running = serve()
    with ThreadPoolExecutor(40) as clients:
        replies = list(clients.map(lambda n: running.ask(f"n{n}"), range(200)))
    assert all(len(reply.rr) == 1 for reply in replies)
    assert most == [16]


def test_a_name_that_takes_too_long_fails(getaddrinfo) -> None:
    go_on = threading.Event()
    getaddrinfo(lambda host, family: (go_on.wait(20), []))

    async def find() -> set[int]:
        names = HostNames(None, threads=1, timeout=0.05)
        # The second does not even get a thread.
        found = await asyncio.gather(*(names.find(name, socket.AF_INET) for name in ("one", "two")))
        await names.close()
        return {each.rcode for each in found}

    assert asyncio.run(find()) == {RCODE.SERVFAIL}
    go_on.set()
