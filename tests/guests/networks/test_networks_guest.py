# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of mode user-v2 with real guests: two warm boxes, of which one boots once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from support import linux_networks
from support.home import Home, build_golden, temporary_home
from support.sudo_namespace import SHEBANG, SudoNamespace, sudo_namespace

from callao.config import mac_address
from callao.instances import inspect
from callao.networks.usernet.folder import NetworkFolder, network_folder
from callao.networks.vmnet.linux.pack import program_bytes

pytestmark = pytest.mark.guest
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="namespaces need root")

NETWORK = {"lima": "user-v2"}

SENDER = """
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        sender.sendto(bytes(100), (sys.argv[1], 9))
    except OSError:  # its neighbour is not found
        pass
    time.sleep(0.001)
"""


class Boxes:
    """The boxes "one" and "two"."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def ensure(self, name: str, *networks: object, **request: object) -> None:
        """Have it be in these networks."""
        extra = {**self.home.direct(), "networks": list(networks)}
        self.home.ensure(name, extra=extra, **{"warm": True, "timeout": 600, **request})

    def run(self, name: str, command: str) -> str:
        done = self.home.ssh(name, command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def greeting(self, name: str, host: str, port: int) -> str:
        """What a TCP server says first, as a box hears it; asked again while it does not answer."""
        command = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{host}/{port}; head -c 4 <&3'"
        deadline = time.monotonic() + 120
        while (done := self.home.ssh(name, command)).returncode and time.monotonic() < deadline:
            pass
        assert done.returncode == 0, done.stderr
        return done.stdout

    def is_unknown(self, name: str, host: str) -> bool:
        """Whether a box no longer resolves a name; its own cache keeps one for five seconds."""
        deadline = time.monotonic() + 60
        while (asked := self.home.ssh(name, f"getent ahostsv4 {host}")).returncode == 0:
            if time.monotonic() > deadline:
                return False
        return asked.returncode == 2

    def address(self, name: str) -> str:
        return self.run(name, "ip -4 -o addr show dev lima0").split()[3]

    def leased(self, name: str, interface: str) -> str:
        """The address that a box has by DHCP, waited for: nobody tells the host agent this one."""
        show = f"ip -4 -o addr show dev {interface} scope global"
        wait = f"i=0; until {show} | grep -q . || [ $i -ge 600 ]; do i=$((i+1)); sleep 0.1; done; {show}"
        return self.run(name, wait).split()[3]

    def hostname_by_address(self, host: SudoNamespace, name: str, address: str) -> str:
        """What a box answers to an ssh that the host has at an address in place of the forwarded port."""
        config, alias = str(self.home.path / name / "ssh.config"), f"lima-{name}"
        options = ("-o", f"Hostname={address.partition('/')[0]}", "-o", "Port=22", "-o", "ControlMaster=no",
                   "-o", "ControlPath=none")  # fmt: skip
        done = host.run("ssh", *options, "-F", config, alias, "hostname", user=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def machine(self, name: str) -> int:
        found = inspect(name, self.home.path, self.home.host)
        assert found.driver is not None
        return found.driver.pid

    def network(self) -> NetworkFolder:
        return network_folder(self.home.path, "user-v2")


@pytest.fixture(scope="module")
def boxes() -> Iterator[Boxes]:
    with temporary_home(build_golden()) as home:
        found = Boxes(home)
        for name in ("one", "two"):
            found.ensure(name, NETWORK)
        yield found


def test_copies_have_addresses_of_their_own_and_find_each_other_by_name(boxes: Boxes) -> None:
    addresses = {name: boxes.address(name) for name in ("one", "two")}
    assert addresses == {"one": "192.168.104.3/24", "two": "192.168.104.4/24"}
    for name, other in (("one", "two"), ("two", "one")):
        assert boxes.run(name, "cat /sys/class/net/lima0/address") == mac_address(boxes.home.path / name, 1)
        assert boxes.greeting(name, f"lima-{other}.internal", 22) == "SSH-"
        assert boxes.run(name, f"getent ahostsv4 lima-{other}.internal").split()[0] in addresses[other]


def test_the_host_and_its_names_are_reached_through_the_gateway(boxes: Boxes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.sendall(b"host")

        threading.Thread(target=greet, daemon=True).start()
        port = server.getsockname()[1]
        assert boxes.greeting("one", "192.168.104.2", port) == "host"
        server.shutdown(socket.SHUT_RDWR)
    assert (
        boxes.run("one", "ip route show default")
        .splitlines()[0]
        .startswith("default via 192.168.104.2 dev lima0")
    )
    asked = "resolvectl query --legend=no --interface=lima0 --cache=no lima-two.internal"
    assert "192.168.104.4" in boxes.run("one", asked)


def test_guests_do_not_notice_that_their_daemon_is_killed_but_for_a_pause(boxes: Boxes) -> None:
    before = boxes.network().pid.read_text()
    # Frames that come while nobody takes them must not be the last.
    for name, other in (("one", 4), ("two", 3)):
        boxes.run(
            name, f"nohup python3 -c '{SENDER}' 192.168.104.{other} >/dev/null 2>&1 </dev/null & sleep 1"
        )
    os.kill(int(before), signal.SIGKILL)
    assert boxes.greeting("one", "lima-two.internal", 22) == "SSH-"
    assert boxes.greeting("two", "lima-one.internal", 22) == "SSH-"
    assert boxes.network().pid.read_text() != before
    assert boxes.address("one") == "192.168.104.3/24"
    for name in ("one", "two"):
        boxes.run(name, "pkill -f sendto")


def test_an_interface_goes_and_comes_while_the_machine_runs(boxes: Boxes) -> None:
    machine = boxes.machine("one")
    boxes.ensure("one")
    assert "lima0" not in boxes.run("one", "ls /sys/class/net").split()
    assert boxes.is_unknown("two", "lima-one.internal")
    boxes.ensure("one", {**NETWORK, "interface": "lab"})
    assert boxes.run("one", "ip -4 -o addr show dev lab").split()[3] == "192.168.104.3/24"
    assert boxes.greeting("two", "lima-one.internal", 22) == "SSH-"
    assert boxes.machine("one") == machine


@pytest.fixture(scope="module")
def linux_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SudoNamespace]:
    """A host whose network of mode shared the boxes are on, too; it has interfaces and rules of its own."""
    with sudo_namespace(tmp_path_factory.mktemp("etc"), program_bytes(SHEBANG)) as host:
        installed = host.callao("sudoers", "--install", user=False)
        assert installed.returncode == 0, installed.stderr
        linux_networks.start(host, "shared")
        yield host
        linux_networks.stop(host, "shared")


def lan(host: SudoNamespace) -> dict[str, object]:
    """Metric: the default route stays that of user-v2."""
    return {"socket": str(host.root / "srv/run/lima/socket_vmnet.shared"), "interface": "lan", "metric": 300}


@needs_root
def test_the_host_reaches_boxes_on_a_shared_network_by_their_addresses(
    boxes: Boxes, linux_host: SudoNamespace
) -> None:
    for name in ("one", "two"):
        boxes.ensure(name, NETWORK, lan(linux_host))
    one, two = (boxes.leased(name, "lan") for name in ("one", "two"))
    assert {one, two} == {"192.168.105.2/24", "192.168.105.3/24"}
    for address in (one, two):
        ping = ("busybox", "ping", "-c", "1", "-W", "20", address.partition("/")[0])
        assert linux_host.run(*ping, user=False).returncode == 0
    assert boxes.greeting("one", two.partition("/")[0], 22) == "SSH-"
    assert boxes.hostname_by_address(linux_host, "two", two) == "lima-two"


@needs_root
def test_guests_notice_but_a_pause_when_the_program_behind_their_socket_is_killed(
    boxes: Boxes, linux_host: SudoNamespace
) -> None:
    before = boxes.leased("two", "lan")
    pid_file = "/srv/run/lima/shared_socket_vmnet.pid"
    assert linux_host.run("pkill", "-9", "-F", pid_file, user=False).returncode == 0
    linux_networks.start(linux_host, "shared")
    assert boxes.greeting("one", before.partition("/")[0], 22) == "SSH-"
    assert boxes.hostname_by_address(linux_host, "two", before) == "lima-two"
    assert boxes.leased("two", "lan") == before


def test_a_tunnel_resolves_the_names_of_the_network(boxes: Boxes) -> None:
    callao = [sys.executable, "-m", "callao.cli.main", "tunnel"]
    environment = {**os.environ, "LIMA_HOME": str(boxes.home.path)}
    opened = subprocess.run([*callao, "one"], env=environment, capture_output=True, text=True, check=True)
    proxy = opened.stdout.strip().removeprefix("ALL_PROXY=")
    # Whoever asks sshd for a page gets its greeting.
    asked = ["curl", "-s", "--http0.9", "--noproxy", "", "--max-time", "120", "--proxy", proxy]
    page = subprocess.run([*asked, "http://lima-two.internal:22/"], capture_output=True, text=True)
    assert page.stdout.startswith("SSH-2.0-"), page
    subprocess.run([*callao, "--stop", "one"], env=environment, capture_output=True, check=True)


@pytest.mark.long
@needs_root
def test_a_box_that_boots_has_the_same_addresses(boxes: Boxes, linux_host: SudoNamespace) -> None:
    boxes.ensure("one", NETWORK, lan(linux_host))
    before = boxes.leased("one", "lan")
    boxes.home.ensure("one", state="stopped")
    boxes.ensure("one", NETWORK, lan(linux_host))
    assert boxes.address("one") == "192.168.104.3/24"
    assert boxes.leased("one", "lan") == before
    assert boxes.greeting("two", "lima-one.internal", 22) == "SSH-"
    assert boxes.hostname_by_address(linux_host, "one", before) == "lima-one"


def test_nothing_but_leases_is_left_after_the_last_box(boxes: Boxes) -> None:
    boxes.home.delete("one")
    assert boxes.is_unknown("two", "lima-one.internal")
    boxes.home.delete("two")
    assert boxes.home.processes() == []
    assert [each.name for each in boxes.network().dir.iterdir()] == ["leases.json"]
