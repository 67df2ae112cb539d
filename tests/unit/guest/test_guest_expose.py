# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from guest_program import PATIENCE, Host, Program, program
from support.namespace import network_namespace

from callao.guest.network import nic, rules
from callao.guest.network.expose import Exposure
from callao.guest.network.nic import Nic

ETH0 = Nic("eth0", "192.168.5.15")
ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
lima0	00000000	0169A8C0	0003	0	0	200	00000000	0	0	0
eth0	00000000	0205A8C0	0003	0	0	100	00000000	0	0	0
eth0	0005A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
"""


@pytest.mark.parametrize(
    ("addresses", "default", "expected"),
    [
        (
            {"lo": "127.0.0.1", "eth0": "10.0.0.1", "eth1": "192.168.5.15"},
            "eth0",
            Nic("eth1", "192.168.5.15"),
        ),
        ({"lo": "127.0.0.1", "eth0": "10.0.0.1"}, "eth0", Nic("eth0", "10.0.0.1")),
        ({"lo": "127.0.0.1"}, "eth0", None),
        ({"lo": "127.0.0.1"}, None, None),
    ],
)
def test_the_nic_is_slirp_s_or_the_default_route_s(addresses, default, expected):
    assert nic.choose_nic(addresses, default, ETH0.address) == expected


def test_the_best_default_route_counts():
    assert nic.default_route(ROUTES) == "eth0"
    assert nic.default_route("") is None


def test_this_machine_has_its_loopback_address():
    assert nic.addresses()["lo"] == "127.0.0.1"


def test_exactly_the_ports_are_translated():
    text = rules.nft_ruleset(ETH0, [("tcp", 80), ("tcp", 443), ("udp", 53)])
    forwards = [line.strip() for line in text.splitlines() if "dnat ip" in line]
    assert forwards == [
        'iifname "eth0" ip daddr 192.168.5.15 tcp dport { 80, 443 } dnat ip to 127.0.0.1',
        'iifname "eth0" ip daddr 192.168.5.15 udp dport { 53 } dnat ip to 127.0.0.1',
    ]


@pytest.mark.parametrize("make", [rules.nft_ruleset, rules.iptables_ruleset])
def test_what_names_a_loopback_address_on_the_wire_is_dropped(make):
    text = make(ETH0, [("tcp", 80)])
    assert "daddr 127.0.0.0/8 drop" in text or "-d 127.0.0.0/8 -j DROP" in text
    assert "saddr 127.0.0.0/8 drop" in text or "-s 127.0.0.0/8 -j DROP" in text


def test_a_wish_is_sorted_and_its_nonsense_told_apart():
    wish = [
        ["udp", 53],
        ["tcp", 80],
        ["tcp", 80],
        ["tcp", 0],
        ["tcp", True],
        ["icmp", 1],
        ["tcp"],
        7,
        ["tcp", "80"],
    ]
    good, bad = rules.parse_ports(wish)
    assert good == [("tcp", 80), ("udp", 53)]
    assert len(bad) == 6
    assert rules.parse_ports("all") == ([], ["all"])


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    """A folder that is PATH, for programs that note how they are called."""
    folder = tmp_path / "fake"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, name: str, status: str = "0") -> None:
    note = f'echo "{name} $*" >>{folder}/calls; [ -t 0 ] || /bin/cat >>{folder}/calls'
    text = f"#!/bin/sh\n{note}\nexit {status}\n"
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def calls(folder: Path) -> str:
    path = folder / "calls"
    text = path.read_text() if path.exists() else ""
    path.write_text("")
    return text


@pytest.fixture
def conf(tmp_path) -> Path:
    (tmp_path / "conf/eth0").mkdir(parents=True)
    (tmp_path / "conf/eth0/route_localnet").write_text("0\n")
    return tmp_path / "conf"


def localnet(conf: Path) -> str:
    return (conf / "eth0/route_localnet").read_text().strip()


def test_the_door_is_open_only_while_ports_are_wanted(fake, conf):
    put(fake, "nft")
    exposure = Exposure(lambda _: ETH0, conf)
    assert exposure.expose([]) == ""
    assert calls(fake) == ""
    assert exposure.expose([("tcp", 80)]) == ""
    assert (localnet(conf), exposure.ports) == ("1", [("tcp", 80)])
    assert "tcp dport { 80 }" in calls(fake)
    assert exposure.expose([]) == ""
    assert (localnet(conf), exposure.ports) == ("0", [])
    assert calls(fake) == f"nft -f -\n{rules.NFT_CLEAR}"


def test_rules_that_are_refused_open_no_door(fake, conf, capsys):
    put(fake, "nft", "1")
    exposure = Exposure(lambda _: ETH0, conf)
    assert "nft failed with status 1" in exposure.expose([("tcp", 80)])
    assert (localnet(conf), exposure.ports) == ("0", [])


def test_without_nft_it_is_done_by_iptables(fake, conf):
    put(fake, "iptables-restore")
    (fake / "iptables").write_text(f'#!/bin/sh\necho "iptables $*" >>{fake}/calls\n[ "$4" != -C ]\n')
    (fake / "iptables").chmod(0o755)
    exposure = Exposure(lambda _: ETH0, conf)
    assert exposure.expose([("udp", 53)]) == ""
    done = calls(fake)
    assert "-A CALLAO -i eth0 -d 192.168.5.15 -p udp --dport 53 -j DNAT --to-destination 127.0.0.1" in done
    assert "iptables -w -t nat -I PREROUTING -j CALLAO" in done
    exposure.clear()
    assert "iptables -w -t nat -D PREROUTING -j CALLAO" in calls(fake)
    assert localnet(conf) == "0"


@pytest.mark.parametrize(("found", "said"), [(None, "no interface"), (ETH0, "neither nft nor iptables")])
def test_what_is_missing_is_said(fake, conf, found, said, capsys):
    assert said in Exposure(lambda _: found, conf).expose([("tcp", 80)])
    assert localnet(conf) == "0"


def test_what_a_killed_predecessor_left_is_removed(fake, conf):
    put(fake, "nft")
    Exposure(lambda _: ETH0, conf).remove_stale_rules()
    assert calls(fake) == ""
    (conf / "eth0/route_localnet").write_text("1\n")
    Exposure(lambda _: ETH0, conf).remove_stale_rules()
    assert localnet(conf) == "0"
    assert calls(fake) == f"nft list table inet callao\nnft -f -\n{rules.NFT_CLEAR}"


def tool(name: str) -> str:
    return shutil.which(name) or ""


needs_namespace = pytest.mark.skipif(
    os.geteuid() != 0 or not tool("ip"), reason="network namespaces need root and ip"
)


@contextmanager
def guest(tmp_path: Path, path: str = "") -> Iterator[tuple[str, str, Program]]:
    """The program in a namespace whose default route leads here."""
    with network_namespace() as (name, address):
        subprocess.run(["ip", "-n", name, "route", "add", "default", "via", address], check=True)
        prefix = ["ip", "netns", "exec", name]
        with program(tmp_path, prefix=prefix, environment={"PATH": path} if path else {}) as running:
            yield name, address, running


SERVER = """
import socket, sys
tcp = socket.create_server(("127.0.0.1", int(sys.argv[1])))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
if sys.argv[2] == "tcp":
    while True:
        one = tcp.accept()[0]
        one.sendall(b"hello")
        one.close()
while True:
    data, peer = udp.recvfrom(100)
    print(data.decode(), flush=True)
    udp.sendto(b"hello", peer)
"""


@contextmanager
def serving(namespace: str, port: int, proto: str) -> Iterator[subprocess.Popen[str]]:
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", SERVER, str(port), proto]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def ask(proto: str, address: str, port: int) -> bytes:
    with socket.socket(type=socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect((address, port))
        client.send(b"ask")
        return client.recv(100)


def expose(host: Host, *ports: list[object]) -> dict[str, object]:
    host.send(type="expose", ports=list(ports))
    return host.expect("exposed")


@needs_namespace
def test_the_host_s_wish_is_carried_out_and_undone_at_the_end(tmp_path):
    folder = tmp_path / "fake"
    folder.mkdir()
    put(folder, "nft")
    with guest(tmp_path, f"{folder}:{os.environ['PATH']}") as (_, address, running):
        with running.host() as host:
            assert expose(host, ["tcp", 8080], ["udp", 53]) == {
                "type": "exposed",
                "ports": [["tcp", 8080], ["udp", 53]],
            }
            assert f"ip daddr {address} tcp dport {{ 8080 }}" in calls(folder)
            answer = expose(host, ["tcp", 8080], ["tcp", 99999])
            assert answer["ports"] == [["tcp", 8080]]
            assert "99999" in str(answer["error"])
            calls(folder)
        assert running.terminate() == (0, "")
    assert calls(folder) == f"nft -f -\n{rules.NFT_CLEAR}"


@needs_namespace
@pytest.mark.skipif(not tool("nft"), reason="there is no nft here")
@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_only_what_is_exposed_can_be_reached(tmp_path, proto):
    with guest(tmp_path) as (name, address, running), serving(name, 8080, proto), serving(name, 8081, proto):
        with running.host() as host:
            assert expose(host, [proto, 8080])["ports"] == [[proto, 8080]]
            assert ask(proto, address, 8080) == b"hello"
            with pytest.raises(ConnectionRefusedError):
                ask(proto, address, 8081)
            assert expose(host) == {"type": "exposed", "ports": []}
            with pytest.raises(ConnectionRefusedError):
                ask(proto, address, 8080)
            expose(host, [proto, 8081])
            assert ask(proto, address, 8081) == b"hello"
        assert running.terminate() == (0, "")
        with pytest.raises(ConnectionRefusedError):
            ask(proto, address, 8081)
        left = subprocess.run(
            ["ip", "netns", "exec", name, "nft", "list", "tables"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert left.stdout == ""


@needs_namespace
@pytest.mark.skipif(not tool("nft"), reason="there is no nft here")
def test_a_packet_that_names_a_loopback_address_does_not_get_in(tmp_path):
    with (
        guest(tmp_path) as (name, address, running),
        serving(name, 8080, "udp") as server,
        running.host() as host,
    ):
        expose(host, ["tcp", 9999], ["udp", 8080])
        near = f"cl{name.partition('-')[2]}a"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, near.encode())
            client.sendto(b"spoofed", ("127.0.0.1", 8080))
        assert ask("udp", address, 8080) == b"hello"
        assert server.stdout.readline() == "ask\n"
