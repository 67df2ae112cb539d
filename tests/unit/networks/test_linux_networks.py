# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of mode shared, host and bridged on Linux: started by sudo, with real network stacks as guests.

All of it is in a network namespace, with interfaces, routes and rules of its own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from support.linux_networks import SCRIPT, start, stop
from support.sudo_namespace import PYTHON, SHEBANG, SudoNamespace, sudo_namespace

from callao.config.network import NetworkDefinition, NetworkMode
from callao.config.networks_rules import linux_problems
from callao.networks.vmnet.linux.options import WrongOption, read_options
from callao.networks.vmnet.linux.pack import program_bytes

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="namespaces need root")

_DHCP_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
[ -z "$router" ] || ip route add default via "$router"
echo "$ip $mask ${router:-none} ${dns:-none}"
"""

_FORGER = """
import socket
one, two = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
for each in (one, two):
    each.connect("/srv/run/lima/socket_vmnet.shared")
mac = "5255550000aa"
arp = lambda address: "0806" + "0001080006040002" + mac + address + "ff" * 10
router = "6000000000103aff" + "fe80" + "00" * 13 + "01" + "ff02" + "00" * 13 + "01" + "86" + "00" * 15
dhcp = "4500001c00000000ff110000c0a86909ffffffff" + "0043004400080000"
for payload in (arp("c0a86901"), arp("{theirs}"), "86dd" + router, "8100000086dd" + router,
                "88a8e00086dd" + router, "0800" + dhcp, "88b5" + "00" * 46):
    frame = bytes.fromhex("ff" * 6 + mac + payload)
    one.sendall(len(frame).to_bytes(4, "big") + frame)
two.settimeout(30)
while True:
    frame = two.recv(int.from_bytes(two.recv(4, socket.MSG_WAITALL), "big"), socket.MSG_WAITALL)
    if frame[6:12].hex() == mac:
        print(frame[12:14].hex())
        break
"""
"""Says the gateway's address and another guest's are its own, and that it is a router and a DHCP server."""


@dataclass
class Guest:
    host: SudoNamespace
    pid: int

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.host.run("nsenter", "--target", str(self.pid), "--net", "--", *words, user=False)

    def lease(self) -> list[str]:
        """Address, prefix length, router and name server, by DHCP."""
        self.run("ip", "address", "flush", "dev", "eth0")
        argv = (
            "busybox",
            "udhcpc",
            "-i",
            "eth0",
            "-f",
            "-q",
            "-n",
            "-t",
            "10",
            "-T",
            "1",
            "-s",
            "/srv/bin/dhcp",
        )
        done = self.run(*argv)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def reaches(self, address: str) -> bool:
        return self.run("busybox", "ping", "-c", "1", "-W", "5", address).returncode == 0


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SudoNamespace]:
    with sudo_namespace(tmp_path_factory.mktemp("etc"), program_bytes(SHEBANG)) as found:
        script = Path(__file__).parents[2] / "support" / "tap_guest.py"
        found.run(
            "sh",
            "-c",
            f"cat > /srv/bin/dhcp <<'END'\n{_DHCP_SCRIPT}END\nchmod 755 /srv/bin/dhcp",
            user=False,
        )
        found.run("sh", "-c", f"cat > /srv/bin/guest.py <<'END'\n{script.read_text()}END", user=False)
        file = "/srv/home/.lima/_config/networks.yaml"
        found.run("sed", "-i", "s/interface: en0/interface: br0/", file, user=False)
        done = found.callao("sudoers", "--install", user=False)
        assert done.returncode == 0, done.stderr
        yield found


@contextmanager
def machine(host: SudoNamespace, *argv: str) -> Iterator[Guest]:
    """A network namespace with one program, whose first line is its pid."""
    process = subprocess.Popen(
        host.argv("unshare", "--net", *argv, user=False), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid = process.stdout.readline().strip()
    try:
        yield Guest(host, int(pid))
    finally:
        host.run("kill", "-9", pid, user=False)
        process.wait()
        process.stdout.close()


@contextmanager
def guest(host: SudoNamespace, network: str, number: int) -> Iterator[Guest]:
    path, mac = f"/srv/run/lima/socket_vmnet.{network}", f"52:55:55:00:00:{number:02x}"
    with machine(host, PYTHON, "/srv/bin/guest.py", path, mac) as found:
        yield found


@needs_root
def test_guests_on_a_shared_network_reach_each_other_the_host_and_beyond(host: SudoNamespace) -> None:
    start(host, "shared")
    with ExitStack() as stack:
        one, two = (stack.enter_context(guest(host, "shared", number)) for number in (1, 2))
        first, second = one.lease(), two.lease()
        assert first == ["192.168.105.2", "24", "192.168.105.1", "none"]
        assert second[0] == "192.168.105.3"
        assert one.reaches(second[0])
        assert one.reaches("192.168.105.1")
        assert host.run("busybox", "ping", "-c", "1", "-W", "5", first[0], user=False).returncode == 0
        # Beyond: another machine, which knows no way back into the subnet.
        far = stack.enter_context(machine(host, "sh", "-c", "echo $$; exec sleep infinity"))
        cable = f"link add wan type veth peer name far netns {far.pid}"
        for words in (cable, "address add 198.18.0.1/30 dev wan", "link set wan up"):
            host.run("ip", *words.split(), user=False)
        for words in ("address add 198.18.0.2/30 dev far", "link set far up"):
            far.run("ip", *words.split())
        assert one.reaches("198.18.0.2")
        host.run("ip", "link", "delete", "wan", user=False)
    with guest(host, "shared", 2) as again:
        assert again.lease()[0] == second[0]
    stop(host, "shared")
    start(host, "shared")
    with guest(host, "shared", 2) as after:
        assert after.lease()[0] == second[0]
    stop(host, "shared")
    assert "lima-shared" not in host.run("ip", "link").stdout
    assert host.run("nft", "list", "ruleset", user=False).stdout.strip() == ""
    assert host.run("ls", "/srv/run/lima").stdout.split() == ["shared_leases.json"]


@needs_root
def test_a_host_network_has_no_way_on_and_a_bridged_one_is_in_the_bridge(host: SudoNamespace) -> None:
    for words in ("link add br0 type bridge", "address add 198.18.1.1/24 dev br0", "link set br0 up"):
        host.run("ip", *words.split(), user=False)
    start(host, "host", "bridged")
    with guest(host, "host", 3) as one, guest(host, "bridged", 4) as two:
        assert one.lease() == ["192.168.106.2", "24", "none", "none"]
        assert one.reaches("192.168.106.1")
        two.run("ip", "address", "add", "198.18.1.9/24", "dev", "eth0")
        assert two.reaches("198.18.1.1")
    stop(host, "host", "bridged")
    host.run("ip", "link", "delete", "br0", user=False)


@needs_root
def test_a_guest_that_sends_no_frames_or_anothers_address_harms_nobody(host: SudoNamespace) -> None:
    start(host, "shared")
    send = """
import socket
one = socket.socket(socket.AF_UNIX)
one.connect("/srv/run/lima/socket_vmnet.shared")
"""
    with guest(host, "shared", 5) as good:
        address = good.lease()[0]
        assert host.run("busybox", "ping", "-c", "1", "-W", "5", address, user=False).returncode == 0
        forged = "ff" * 6 + "525555000005" + "0806" + "00" * 46
        done = host.python(
            send
            + f'frame = bytes.fromhex("{forged}")\n'
            + 'for _ in range(2000): one.sendall(len(frame).to_bytes(4, "big") + frame)\n'
            + 'one.sendall(b"\\xff" * 8)\nprint(one.recv(1 << 20)[-1:] == b"" or len(one.recv(1 << 20)))'
        )
        assert done.returncode == 0, done.stderr
        assert host.run("busybox", "ping", "-c", "1", "-W", "5", address, user=False).returncode == 0
        heard = host.python(_FORGER.format(theirs=IPv4Address(address).packed.hex()))
        assert (heard.stdout, heard.stderr) == ("88b5\n", "")
    stop(host, "shared")


@needs_root
def test_a_subnet_that_an_interface_has_is_refused_with_the_interface(host: SudoNamespace) -> None:
    host.run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", user=False)
    host.run("ip", "address", "add", "192.168.105.77/24", "dev", "near", user=False)
    call = "start(networks, networks.by_name[name], home)"
    done = host.python(SCRIPT.format(names=["shared"], call=call))
    host.run("ip", "link", "delete", "near", user=False)
    assert "socket_vmnet: interface near is in 192.168.105.0/24 already" in done.stderr


@pytest.mark.parametrize(
    "address", ["10.9.8.1", "172.16.0.1", "192.168.7.1", "8.8.8.1", "127.0.0.1", "169.254.0.1"]
)
def test_networks_yaml_is_refused_on_linux_for_what_the_program_refuses(address: str) -> None:
    for length in range(1, 31):
        subnet = IPv4Network(f"{address}/{length}", strict=False)
        first, last, mask = subnet.network_address + 1, subnet.broadcast_address - 1, subnet.netmask
        given = {"vmnet-gateway": str(first), "vmnet-dhcp-end": str(last), "vmnet-mask": str(mask)}
        refused = list(linux_problems(NetworkDefinition("a", NetworkMode.HOST, first, last, mask)))
        if refused:
            with pytest.raises(WrongOption, match=refused[0].path.rpartition(".")[2].replace("net", "")):
                read_options(arguments(**given))
        else:
            assert read_options(arguments(**given)).subnet == subnet


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"socket": "/run/other"}, "does not end in socket_vmnet.NAME"),
        ({"socket": "/run/socket_vmnet.../x"}, "does not end in socket_vmnet.NAME"),
        ({"socket": "/run/socket_vmnet.a b"}, "does not end in socket_vmnet.NAME"),
        ({"pidfile": "/etc/passwd"}, "--pidfile: /etc/passwd is not a_socket_vmnet.pid beside the socket"),
        ({"socket": "/tmp/socket_vmnet.a", "pidfile": "/tmp/a_socket_vmnet.pid"}, "/tmp can be changed"),
        ({"socket-group": "no such group"}, "this host has no group 'no such group'"),
        ({"vmnet-mask": "255.0.255.0"}, "--vmnet-mask"),
        ({"vmnet-mask": "255.0.0.0"}, "--vmnet-mask: 255.0.0.0 is not one of"),
        ({"vmnet-gateway": "8.8.8.8", "vmnet-dhcp-end": "8.8.8.9"}, "is not a private subnet"),
        ({"vmnet-gateway": "127.0.0.1", "vmnet-dhcp-end": "127.0.0.9"}, "is not a private subnet"),
        ({"vmnet-dhcp-end": "10.0.1.9"}, "10.0.1.9 is not behind 10.0.0.1 in 10.0.0.0/24"),
        ({"vmnet-interface": "eth0"}, "--vmnet-interface is for mode bridged"),
        ({"vmnet-mode": "bridged"}, "are not for mode bridged"),
        ({"vmnet-mode": "bridged", "vmnet-gateway": "", "vmnet-mask": "", "vmnet-dhcp-end": "",
          "vmnet-interface": "../lo"}, "cannot be an interface's name"),
        ({"vmnet-mode": "bridged", "vmnet-gateway": "", "vmnet-mask": "", "vmnet-dhcp-end": "",
          "vmnet-interface": "lo"}, "lo is not a bridge of this host"),
    ],
)  # fmt: skip
def test_the_program_checks_each_of_its_arguments(changed: dict[str, str], words: str) -> None:
    with pytest.raises(WrongOption) as caught:
        read_options(arguments(**changed))
    assert words in str(caught.value)


def arguments(**changed: str) -> list[str]:
    given = {
        "pidfile": "/run/a_socket_vmnet.pid",
        "socket-group": "daemon",
        "vmnet-mode": "host",
        "vmnet-gateway": "10.0.0.1",
        "vmnet-dhcp-end": "10.0.0.254",
        "vmnet-mask": "255.255.255.0",
        "socket": "/run/socket_vmnet.a",
        **changed,
    }
    return [*(f"--{key}={value}" for key, value in given.items() if key != "socket"), given["socket"]]
