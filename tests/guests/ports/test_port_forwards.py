# SPDX-License-Identifier: GPL-3.0-or-later
"""What listens in the guest is on the host's localhost, and goes when it goes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from ports.port_box import (
    BLOCK,
    CASES,
    PATIENCE,
    SERVER,
    Box,
    asked,
    becomes,
    echoed,
    echoed_udp,
    free_block,
    free_ports,
    joined,
    rules_for,
)
from support.home import Golden, temporary_home

from callao.events import Event, EventState
from callao.hostagent.api.client import call
from callao.hostagent.channel.guest_link import GuestLink, Message
from callao.hostagent.ports.forwarders import AgentForwarder
from callao.ports import WantedForward, is_free

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def machine(golden: Golden) -> Iterator[Box]:
    """Its clock is an hour behind from the beginning, as after a sleep; the last test looks at it.

    Somebody has one of the ports that a rule names, and one within a rule's range, when it starts.
    """
    with temporary_home(golden) as home, contextlib.ExitStack() as held:
        base = free_block(BLOCK)
        for taken in (base + 53, base + 5):
            held.enter_context(socket.create_server(("127.0.0.1", taken)))
        rules = rules_for(base)
        extra = {**home.direct(), "portForwards": rules}
        events: list[Event] = []
        home.ensure("box", extra=extra, events=events, warm=True, timeout=600)
        notices = [each.message for each in events if each.state is EventState.NOTICE]
        box = Box(home, base, notices)
        behind = "sudo date -s '1 hour ago'"
        done = home.ssh("box", f"printf %s {shlex.quote(SERVER)} | sudo tee /run/server.py && {behind}")
        assert done.returncode == 0, done.stderr
        yield box


@pytest.fixture
def box(machine: Box) -> Iterator[Box]:
    yield machine
    machine.silence()


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::", "::1"])
def test_a_server_in_the_guest_is_on_the_hosts_localhost(box: Box, address: str) -> None:
    (port,) = free_ports(1)
    box.serve(("tcp", address, port))
    becomes(lambda: echoed(port), "echo hi")
    box.silence()
    becomes(lambda: [each for each in box.forwards()["forwards"] if each["guestPort"] == port], [])
    assert echoed(port) == ""


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::1"])
def test_udp_too(box: Box, address: str) -> None:
    (port,) = free_ports(1)
    box.serve(("udp", address, port))
    becomes(lambda: echoed_udp(port), "echo hi")


def test_a_server_of_ipv6_alone(box: Box) -> None:
    (port,) = free_ports(1)
    box.serve(("v6only", "::", port))
    becomes(lambda: echoed(port), "echo hi")


CLOSED = """
table inet closed {
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
    tcp dport 22 accept
  }
}
"""
"""What ``ufw enable`` comes to."""


def test_a_packet_filter_in_the_guest_closes_nothing_to_the_host(box: Box) -> None:
    open_port, loopback, datagrams = free_ports(3)
    box.serve(("tcp", "0.0.0.0", open_port), ("tcp", "127.0.0.1", loopback), ("udp", "0.0.0.0", datagrams))

    def answers() -> tuple[str, str, str]:
        return echoed(open_port), echoed(loopback), echoed_udp(datagrams)

    becomes(answers, ("echo hi",) * 3)
    client = socket.create_connection(("127.0.0.1", loopback), timeout=PATIENCE)
    done = box.home.ssh("box", f"printf %s {shlex.quote(CLOSED)} | sudo nft -f -")
    assert done.returncode == 0, done.stderr
    try:
        becomes(answers, ("echo hi",) * 3)
        with client:
            client.sendall(b"still")
            assert client.recv(100) == b"echo still"
        box.silence()
        box.serve(("tcp", "0.0.0.0", open_port))
        becomes(lambda: echoed(open_port), "echo hi")
    finally:
        box.home.ssh("box", "sudo nft delete table inet closed")


def test_the_hosts_address_may_be_one_of_ipv6(box: Box) -> None:
    (port,) = free_ports(1)
    box.serve(("tcp", "0.0.0.0", port))
    rule = {"guestPort": port, "hostIP": "::1"}
    assert box.forward(rule)
    becomes(lambda: echoed(port, address="::1"), "echo hi")
    assert box.forward(rule, state="absent")
    becomes(lambda: (echoed(port, address="::1"), echoed(port)), ("", "echo hi"))


def test_a_client_of_a_server_that_refuses_is_reset_and_others_go_on(box: Box) -> None:
    """By the guest's program: nobody listens on ::1 by the time somebody calls."""
    port, other = free_ports(2)
    box.serve(("tcp", "::1", port), ("tcp", "::1", other))
    becomes(lambda: (echoed(port), echoed(other)), ("echo hi", "echo hi"))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: echoed(port, str(number)), range(200)))
    assert answers == [f"echo {number}" for number in range(200)]
    with socket.create_connection(("127.0.0.1", other), timeout=10) as client:
        client.sendall(b"a")
        assert client.recv(100) == b"echo a"
        box.silence()
        client.settimeout(30)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""


def test_a_port_that_is_taken_is_told_once_with_its_holder_and_forwarded_when_it_is_free(box: Box) -> None:
    (port,) = free_ports(1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        box.serve(("tcp", "0.0.0.0", port))
        becomes(lambda: [each["guestPort"] for each in box.forwards()["failed"]], [port])
        assert "is taken by" in box.forwards()["failed"][0]["error"]
    becomes(lambda: echoed(port), "echo hi")
    mine = [each["type"] for each in box.told() if each.get("hostAddr") == f"127.0.0.1:{port}"]
    assert mine[-2:] == ["failed", "forwarding"]


def test_rules_open_a_port_when_somebody_listens_and_never_another(box: Box) -> None:
    sockets = box.home.path / "box" / "sock"
    ends = {
        (ip, port): re.sub(r"BASE\+(\d+)", lambda found: str(box.base + int(found[1])), host)
        .replace("SOCKETS", str(sockets))
        for ip, port, host in CASES
    }  # fmt: skip
    mine = set(range(box.base, box.base + BLOCK)) - {box.base + 5, box.base + 53}
    assert [port for port in mine if not is_free("tcp", "", port)] == []
    before = len(box.told())
    box.serve(*(("tcp", ip, port) for ip, port in ends))
    wanted = [
        {"type": "forwarding", "protocol": "tcp", "guestAddr": joined(*guest), "hostAddr": host}
        if host
        else {"type": "not-forwarding", "protocol": "tcp", "guestAddr": joined(*guest)}
        for guest, host in ends.items()
    ]
    becomes(lambda: [each for each in wanted if each not in box.told()[before:]], [])
    opened = {int(port) for _, _, port in (host.rpartition(":") for host in ends.values()) if port.isdigit()}
    assert {port for port in mine if not is_free("tcp", "", port)} == opened & mine
    for host in filter(None, ends.values()):
        becomes(lambda host=host: asked(host), "echo hi")  # type: ignore[misc]
    assert asked(f"[::1]:{box.base + 51}") == asked(f"127.0.0.1:{box.base + 51}") == "echo hi"


def test_a_port_that_is_taken_is_told_at_the_start_and_does_not_fail_it(box: Box) -> None:
    """A rule's range names no port: nothing is said of the one in it that is taken."""
    (notice,) = [each for each in box.notices if "portForwards" in each]
    assert re.search(
        rf"port {box.base + 53} on 127.0.0.1 is taken by .*; it is forwarded when it is free", notice
    )


def test_a_rule_that_comes_and_goes_while_it_runs(box: Box) -> None:
    port, other = free_ports(2)
    box.serve(("tcp", "0.0.0.0", port))
    becomes(lambda: echoed(port), "echo hi")
    rule = {"guestPort": port, "hostPort": other}
    assert box.forward(rule)
    assert not box.forward(rule)
    becomes(lambda: (echoed(other), echoed(port)), ("echo hi", ""))
    assert box.forward(rule, state="absent")
    assert not box.forward(rule, state="absent")
    becomes(lambda: (echoed(other), echoed(port)), ("", "echo hi"))


def test_a_lasting_rule_is_in_lima_yaml(box: Box) -> None:
    port, other = free_ports(2)
    box.serve(("tcp", "127.0.0.1", port))
    rule = {"guestPort": port, "hostPort": other}
    assert box.forward(rule, persist=True)
    assert not box.forward(rule, persist=True)
    becomes(lambda: echoed(other), "echo hi")
    assert str(other) in (box.home.path / "box" / "lima.yaml").read_text()
    assert box.forward(rule, persist=True, state="absent")
    becomes(lambda: echoed(port), "echo hi")


def test_a_socket_of_the_guest_is_one_of_the_host(box: Box) -> None:
    box.serve(("unix", "/run/test.sock", 0))
    path = box.home.path / "box" / "sock" / "test.sock"

    becomes(lambda: asked(str(path)), "echo hi")


def test_two_hundred_come_and_go_with_none_missed_or_left(box: Box) -> None:
    ports = free_ports(200)
    box.serve(*(("tcp", "0.0.0.0", port) for port in ports))
    becomes(lambda: {each["guestPort"] for each in box.forwards()["forwards"]} >= set(ports), True)
    assert echoed(ports[-1]) == "echo hi"
    box.silence()
    becomes(lambda: {each["guestPort"] for each in box.forwards()["forwards"]} & set(ports), set())


def test_a_thousand_connections_a_hundred_at_once(box: Box) -> None:
    """slirp listens with a backlog of one: on a busy host a client may have to knock again."""
    (port,) = free_ports(1)
    box.serve(("tcp", "0.0.0.0", port))
    becomes(lambda: echoed(port), "echo hi")

    def knock(number: int) -> str:
        answers = (echoed(port, str(number)) for _ in range(5))
        return next((answer for answer in answers if answer), "")

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(knock, range(1000)))
    assert answers == [f"echo {number}" for number in range(1000)]


def test_ssh_is_never_forwarded_again(box: Box) -> None:
    assert 22 not in {each["guestPort"] for each in call(box.sock, "GET", "/v1/port-forwards")["forwards"]}


def test_a_lost_connection_brings_its_forwards_back(box: Box) -> None:
    (port,) = free_ports(1)
    box.serve(("tcp", "127.0.0.1", port))
    becomes(lambda: echoed(port), "echo hi")
    box.home.ssh("box", "sudo pkill -9 -f 'sshd: '")
    becomes(lambda: echoed(port), "echo hi")
    becomes(lambda: box.home.ssh("box", "true").returncode, 0)  # the listener was killed, too


@pytest.mark.parametrize(
    ("name", "address"),
    [("a.b.box.test", "10.1.2.3"), ("named.test", "192.168.5.2"), ("host.lima.internal", "192.168.5.2")],
)
def test_the_host_answers_for_names(box: Box, name: str, address: str) -> None:
    """Wildcards no hosts file can have: a resolver of the host's answered."""
    ask = f"import socket; print(socket.gethostbyname({name!r}))"
    becomes(lambda: box.home.ssh("box", f"python3 -c {shlex.quote(ask)}").stdout.strip(), address)


def test_a_name_that_nobody_knows_is_not_found(box: Box) -> None:
    ask = "import socket; socket.gethostbyname('nobody.invalid')"
    assert "gaierror" in box.home.ssh("box", f"python3 -c {shlex.quote(ask)}").stderr


CONTAINER = """set -e
mkdir -p /run/netavark; sleep 6
ip netns add box; ip link add veth-box type veth peer name eth0 netns box
ip address add 10.99.0.1/24 dev veth-box; ip link set veth-box up
ip -n box address add 10.99.0.2/24 dev eth0; ip -n box link set eth0 up; ip -n box link set lo up
ip -n box route add default via 10.99.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv4/conf/veth-box/route_localnet
nft -f - <<END
table inet netavark {
  chain published {
    ip daddr 127.0.0.1 tcp dport PRIVATE dnat ip to 10.99.0.2:80
    tcp dport PUBLIC dnat ip to 10.99.0.2:80
  }
  chain arriving { type nat hook prerouting priority -100; fib daddr type local jump published; }
  chain own { type nat hook output priority -100; fib daddr type local jump published; }
  chain leaving {
    type nat hook postrouting priority 100; ip saddr 127.0.0.0/8 oifname "veth-box" masquerade;
  }
}
END
ip netns exec box python3 /run/server.py '[["tcp", "0.0.0.0", 80]]'
"""
"""What Podman does with netavark, without either: a namespace, and rules that lead to it. The folder says
that an engine runs, and is looked at every five seconds; there are no rules before the first container."""

KEPT = "import socket, time; s = socket.create_server(('127.0.0.1', PRIVATE)); time.sleep(1000)"
"""How Podman keeps others off a port that it publishes. Nobody ever answers there."""


def test_a_containers_port_is_on_the_hosts_localhost_too(box: Box) -> None:
    public, private = free_ports(2)
    script, kept = (
        text.replace("PUBLIC", str(public)).replace("PRIVATE", str(private)) for text in (CONTAINER, KEPT)
    )
    done = box.home.ssh("box", f"sudo sh -c {shlex.quote(script)}")
    assert done.returncode == 0, done.stderr
    box.home.ssh("box", f"setsid python3 -c {shlex.quote(kept)} >/dev/null 2>&1 </dev/null & sleep 0.5")
    becomes(lambda: echoed(public), "echo hi")
    becomes(lambda: echoed(private), "echo hi")
    end = (
        "nft delete table inet netavark; ip netns delete box; rmdir /run/netavark; pkill -f '[s]leep(1000)'"
    )
    box.home.ssh("box", f"sudo sh -c {shlex.quote(end)}")


def test_another_way_to_the_program_is_a_socket_that_ssh_forwards(box: Box, tmp_path: Path) -> None:
    """A second program, for it is the transport that is looked at, of the user that logs in."""
    near, far = tmp_path / "ga.sock", "/tmp/other.sock"
    start = f"setsid python3 /usr/local/bin/lima-guestagent unix:{far} >/dev/null 2>&1 </dev/null &"
    box.home.ssh("box", f"{start} while ! [ -S {far} ]; do sleep 0.2; done")
    box.ssh("-O", "forward", "-L", f"{near}:{far}")
    port, host_port = free_ports(2)
    box.serve(("tcp", "127.0.0.1", port))
    heard: list[Message] = []

    async def hear(message: Message) -> None:
        heard.append(message)

    async def work() -> str:
        link = GuestLink(partial(asyncio.open_unix_connection, near), {"hello": hear, "listeners": hear})
        agent = AgentForwarder(link.multiplexer, tmp_path)
        link.start()
        async with asyncio.timeout(PATIENCE):
            while not any(port in each for message in heard for each in message.get("added", ())):
                await asyncio.sleep(0.1)
            await agent.open(WantedForward("tcp", "127.0.0.1", host_port, "127.0.0.1", port))
            while not (said := await asyncio.to_thread(echoed, host_port)):
                await asyncio.sleep(0.1)
        await link.close()
        return said

    assert asyncio.run(work()) == "echo hi"
    box.ssh("-O", "cancel", "-L", f"{near}:{far}")
    box.home.ssh("box", f"pkill -f '[o]ther.sock'; rm -f {far}")


VSOCK = r"""
import socket, sys, threading
sys.path.insert(0, "/usr/local/bin/lima-guestagent")
from callao.guest.transport import VsockServer
def call():
    with socket.socket(socket.AF_VSOCK) as client:
        client.connect((1, 4321)); client.sendall(b"hi")
server = VsockServer(4321, host=1)  # we are our own host
threading.Timer(0.5, call).start()
link = server.connect()
link.wait(20)  # who has called has not yet said anything
print(link.read().decode())
server.close()
"""


def test_another_is_vsock(box: Box) -> None:
    """The kernel's loopback; the hypervisor has no vhost-vsock everywhere."""
    if box.home.ssh("box", "sudo modprobe vsock_loopback").returncode:
        pytest.skip("the guest's kernel has no vsock_loopback")
    done = box.home.ssh("box", f"python3 -c {shlex.quote(VSOCK)}")
    assert done.stdout.strip() == "hi", done.stderr


def test_a_clock_that_was_behind_is_right_again(machine: Box) -> None:
    def late() -> bool:
        return abs(float(machine.home.ssh("box", "date +%s").stdout) - time.time()) > 10

    becomes(late, False)
