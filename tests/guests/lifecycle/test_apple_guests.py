# SPDX-License-Identifier: GPL-3.0-or-later
"""The lives of an instance of vz and one of krunkit: the programs' stand-ins run their guests by QEMU.

With ``CALLAO_TEST_GVPROXY=/path/to/gvproxy``, that program is the network of krunkit's, in place of its
stand-in (``go install github.com/containers/gvisor-tap-vsock/cmd/gvproxy@v0.8.9``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.apple.install import install
from support.apple.leases import address_for, guest_address
from support.connection import instances, run
from support.home import Golden, Home, temporary_home
from support.waiting import eventually

from callao.config import Arch, VMType
from callao.drivers.apple import krun, short_folder
from callao.drivers.apple.files import Sockets
from callao.errors import CallaoError, SnapshotError
from callao.events import Event
from callao.instances import InstancePaths, Runtime, Status, inspect
from callao.instances.records import read_json
from callao.lifecycle.mounts import MountRequest, ensure_mount
from callao.lifecycle.snapshots import operations
from callao.ports import any_free

pytestmark = pytest.mark.guest

CMDLINE = "root=LABEL=root ro console=tty0 console=hvc0 quiet mitigations=off"
"""vfkit's machines have no other console, and hvc0's driver is a module: tty0 is there before it."""
GVPROXY = "CALLAO_TEST_GVPROXY"
FORK = multiprocessing.get_context("fork")
"""The engine is for one thread; what a test has put in its place is there in a process that is forked."""
GUEST_PORT = 8080
READ_FACT = "cat /mnt/read/fact"


@dataclass
class Box:
    """The instance; ``shared`` is the directory of the host that it has at /mnt/read and /mnt/write."""

    home: Home
    vm_type: VMType
    shared: Path
    port: int = field(default_factory=any_free)
    events: list[Event] = field(default_factory=list)

    @property
    def paths(self) -> InstancePaths:
        return InstancePaths(self.home.path / "box")

    def start(self, **extra: Any) -> None:
        mounts = [
            {"location": str(self.shared), "mountPoint": "/mnt/read"},
            {"location": str(self.shared), "mountPoint": "/mnt/write", "writable": True},
        ]
        extra |= {"vmType": self.vm_type.value, "mountType": "virtiofs", "mounts": mounts}
        extra["portForwards"] = [{"guestPort": GUEST_PORT, "hostPort": self.port}]
        self.home.ensure("box", extra=extra, events=self.events, warm=True)

    def run(self, command: str) -> str:
        done = self.home.ssh("box", command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def kill(self, who: str) -> None:
        """Nothing is left of it then, although nobody has cleaned up but those that remain."""
        runtime = read_json(self.paths.runtime, Runtime)
        assert runtime is not None
        victim = runtime.agent if who == "agent" else runtime.driver
        assert victim is not None
        os.kill(victim.pid, signal.SIGKILL)
        eventually(lambda: not self.home.processes())
        assert inspect("box", self.home.path, self.home.host).status is Status.STOPPED

    def command(self, *words: str) -> str:
        """What the command line says, by a connection of its own."""
        config = str(self.paths.ssh_config)
        subprocess.run(["ssh", "-F", config, "-O", "exit", "lima-box"], capture_output=True, check=False)
        done = subprocess.run(
            [sys.executable, "-m", "callao.cli.main", *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False,
            env={**os.environ, "LIMA_HOME": str(self.home.path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def connection(self, module: str) -> str:
        """What sshd says of a new connection by this proxy command alone."""
        options = ("-o", "ControlPath=none", "-o", f"ProxyCommand={sys.executable} -P -m {module}")
        argv = ["ssh", "-F", str(self.paths.ssh_config), *options, "lima-box", "echo $SSH_CONNECTION"]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=180).stdout.strip()

    def fetched(self) -> bool:
        """Whether a server in the guest answers at the host's port."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 10) as client:
            client.settimeout(30)
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return client.recv(64).startswith(b"HTTP/1.0 200")
        return False

    def fetched_in_guest(self, address: str) -> str:
        """What a server at the host's loopback says to the guest, which calls it by an address."""
        with socket.create_server(("127.0.0.1", 0)) as server:

            def greet() -> None:
                client, _ = server.accept()
                with client:
                    client.sendall(b"host")

            threading.Thread(target=greet, daemon=True).start()
            asked = f"exec 3<>/dev/tcp/{address}/{server.getsockname()[1]}; head -c 4 <&3"
            return self.run(f"timeout 60 bash -c '{asked}'")

    def left(self) -> list[str]:
        """What is there of a machine."""
        files = [each.name for each in self.paths.runtime_files if each.exists()]
        folder = short_folder.folder_of(self.paths)
        return [*files, *([str(folder)] if folder.exists() else []), *self.home.processes()]


@contextlib.contextmanager
def box_of(golden: Golden, vm_type: VMType) -> Iterator[Box]:
    """Its home has nothing but the programs' stand-ins and a directory."""
    real = os.environ.get(GVPROXY) if vm_type is VMType.KRUNKIT else None
    programs = [each for each in PROGRAMS[vm_type] if real is None or each != "gvproxy"]
    with temporary_home(golden, cache=None) as home, pytest.MonkeyPatch.context() as patch:
        leases = str(home.path / "leases")
        installed = install(home.path / "bin", {"CALLAO_STAND_IN_LEASES": leases}, programs)
        if real:
            (installed / "gvproxy").symlink_to(real)
        patch.setenv("PATH", str(installed), prepend=os.pathsep)
        patch.setenv("CALLAO_DHCPD_LEASES", leases)
        # The stand-in's machine has this host's processor, krunkit's has Apple's.
        own = dataclasses.replace(krun.LIMITS, arches=frozenset({Arch(home.host.arch)}))
        patch.setattr(krun, "LIMITS", own)
        box = Box(home, vm_type, home.path / "shared")
        box.shared.mkdir()
        (box.shared / "fact").write_text("from the host\n")
        yield box


def start_vz(box: Box) -> None:
    """In macOS's own network, as there is no gvproxy; ssh goes by vsock."""
    kernel = box.home.direct()
    kernel["images"][0]["kernel"]["cmdline"] = CMDLINE
    box.start(**kernel, ssh={"overVsock": True}, networks=[{"lima": "user-v2"}])


def start_krunkit(box: Box) -> None:
    """In gvproxy's network; its own firmware boots the disk. ssh goes by vsock once sshd listens there."""
    box.start(ssh={"overVsock": True})


PROGRAMS = {VMType.VZ: ("vfkit",), VMType.KRUNKIT: ("krunkit", "gvproxy")}
STARTS = {VMType.VZ: start_vz, VMType.KRUNKIT: start_krunkit}


@pytest.fixture(scope="module", params=STARTS)
def box(golden: Golden, request: pytest.FixtureRequest) -> Iterator[Box]:
    with box_of(golden, request.param) as box:
        STARTS[request.param](box)
        yield box


of_vz = pytest.mark.parametrize("box", [VMType.VZ], indirect=True)
of_krunkit = pytest.mark.parametrize("box", [VMType.KRUNKIT], indirect=True)


def test_the_start_tells_what_the_machine_has_not(box: Box) -> None:
    told = " ".join(each.message for each in box.events)
    program = {"vz": "vfkit"}.get(box.vm_type, box.vm_type)
    assert f"warm: booting instead: a {box.vm_type} machine cannot be saved while it runs" in told
    assert f"read-only in the guest, but {program} shares it writable" in told
    in_macos_network = box.vm_type is VMType.VZ
    assert ("hostResolver: the guest cannot reach it in this network" in told) == in_macos_network


@of_krunkit
def test_one_that_is_killed_is_ready_again_with_what_its_first_boot_made(box: Box) -> None:
    box.kill("machine")
    box.home.ensure("box", template=None, events=box.events)
    assert box.run("hostname; cat /mnt/read/fact") == "lima-box\nfrom the host"


@pytest.mark.long
@pytest.mark.parametrize(
    ("box", "process"),
    [(VMType.KRUNKIT, "agent"), (VMType.VZ, "agent"), (VMType.VZ, "machine")],
    indirect=["box"],
)
def test_whatever_process_is_killed_it_is_ready_again(box: Box, process: str) -> None:
    box.kill(process)
    box.home.ensure("box", template=None, events=box.events)
    assert box.run(READ_FACT) == "from the host"


def test_directories_are_shared_and_the_guest_mounts_one_of_them_read_only(box: Box) -> None:
    tried = f"{READ_FACT}; echo x >/mnt/write/new; touch /mnt/read/no 2>/dev/null || echo refused"
    assert box.run(f"sudo sh -c '{tried}'") == "from the host\nrefused"
    assert (box.shared / "new").read_text() == "x\n"
    assert not (box.shared / "no").exists()


def test_shell_goes_by_vsock(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLAO_DHCPD_LEASES", str(tmp_path / "none"))  # vz has no other way then
    assert box.command("shell", "box", "sh", "-c", "echo $SSH_CONNECTION").startswith("UNKNOWN")


@of_vz
def test_ssh_reaches_the_guest_by_vsock_alone_and_by_its_lease_alone(box: Box) -> None:
    mac_address = box.run("cat /sys/class/net/e*/address")
    vsock = Sockets(short_folder.folder_of(box.paths)).ssh
    assert box.connection(f"callao.ssh.proxy unix:{vsock}").startswith("UNKNOWN")  # sshd knows no address
    by_lease = box.connection(f"callao.drivers.apple.connect {mac_address}")
    assert by_lease.endswith(f" {guest_address(mac_address)} 22")


@pytest.mark.long
def test_copy_rsync_and_the_connection_plugin_go_by_vsock(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLAO_DHCPD_LEASES", str(tmp_path / "none"))  # vz has no other way then
    (tmp_path / "file").write_text("of the host\n")
    for program in ("scp", "rsync"):
        box.command("copy", f"--backend={program}", str(tmp_path / "file"), f"box:/tmp/{program}")
        assert box.command("shell", "box", "cat", f"/tmp/{program}") == "of the host"
    words = ("guests", "-m", "raw", "-a", "echo $SSH_CONNECTION")
    control_dir = box.home.path / "cp"
    control_dir.mkdir()
    done = run("ansible", instances("box"), *words, home=box.home.path, control_dir=control_dir)
    assert "UNKNOWN" in done.stdout, done.stdout + done.stderr


@of_vz
def test_a_network_of_user_v2_passes_the_frames_of_its_datagrams(box: Box) -> None:
    assert box.fetched_in_guest("192.168.104.2") == "host"
    assert box.run("ip -4 -brief address show dev lima0").split()[2] == "192.168.104.3/24"


def test_a_server_that_begins_to_listen_in_the_guest_is_at_the_hosts_port(box: Box) -> None:
    box.run(f"nohup python3 -m http.server {GUEST_PORT} --bind 127.0.0.1 >/dev/null 2>&1 &")
    eventually(box.fetched)


def test_devices_and_states_that_it_has_not_are_refused_with_the_reason(box: Box) -> None:
    home = box.home
    request = MountRequest(instance="box", location=str(box.shared), mount_point="/mnt/hot", type="virtiofs")
    with pytest.raises(CallaoError, match=r"virtiofs cannot be mounted while.*allowed: reverse-sshfs"):
        ensure_mount(request, home=home.path, host=home.host, check=False)
    with pytest.raises(SnapshotError, match=f"a running {box.vm_type} machine cannot be saved"):
        operations.take("box", "now", home=home.path, host=home.host, timeout=10, report=box.events.append)


def test_a_mount_by_ssh_needs_no_device(box: Box) -> None:
    request = MountRequest(
        instance="box", location=str(box.shared), mount_point="/mnt/hot", type="reverse-sshfs"
    )
    assert ensure_mount(request, home=box.home.path, host=box.home.host, check=False).changed
    assert box.run("cat /mnt/hot/fact") == "from the host"


@of_krunkit
def test_gvproxy_gives_the_guest_the_addresses_of_other_guests_and_leads_to_the_host(box: Box) -> None:
    assert box.run("ip -4 -brief address show scope global").split()[2] == "192.168.5.15/24"
    assert box.fetched_in_guest("192.168.5.2") == "host"
    assert box.run("getent hosts a.box.test").split()[0] == "10.1.2.3"


@of_krunkit
def test_a_gvproxy_that_is_killed_is_told_and_ssh_goes_on_by_vsock(box: Box) -> None:
    [gvproxy] = [process for process, line in box.home.running() if "gvproxy.json" in line]
    gvproxy.kill()
    eventually(lambda: "gvproxy ended with status" in box.paths.ha_stdout.read_text())
    assert box.command("shell", "box", "hostname") == "lima-box"


def test_it_shuts_down_and_nothing_is_left(box: Box) -> None:
    stopping = "--property=ExecStop='touch /mnt/write/off' --property=RequiresMountsFor=/mnt/write"
    box.run(f"sudo systemd-run -q {stopping} sleep infinity")
    box.home.ensure("box", state="stopped")
    assert (box.shared / "off").exists()
    assert box.left() == []
    box.home.delete("box")
    assert not box.paths.dir.exists()


@pytest.mark.long
@pytest.mark.parametrize("vm_type", STARTS)
def test_two_that_begin_at_once_have_an_address_or_port_each(golden: Golden, vm_type: VMType) -> None:
    with box_of(golden, vm_type) as first, box_of(golden, vm_type) as second:  # of one file of leases
        both = (first, second)
        starts = [FORK.Process(target=STARTS[vm_type], args=(each,)) for each in both]
        for each in starts:
            each.start()
        for each in starts:
            each.join()
        assert [each.exitcode for each in starts] == [0, 0]
        for box in both:
            box.run(f"echo {box.home.path} >/tmp/home")
        assert [box.run("cat /tmp/home") for box in both] == [str(box.home.path) for box in both]
        if vm_type is VMType.VZ:
            macs = [box.run("cat /sys/class/net/eth0/address") for box in both]
            reached = [
                box.connection(f"callao.drivers.apple.connect {mac}")
                for box, mac in zip(both, macs, strict=True)
            ]
            assert [each.split()[2] for each in reached] == list(map(guest_address, macs))
            assert len(set(map(address_for, macs))) == 2
