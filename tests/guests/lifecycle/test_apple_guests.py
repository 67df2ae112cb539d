# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an instance of vz: the stand-in for vfkit runs its guest by QEMU."""

from __future__ import annotations

import contextlib
import os
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
from support.home import Golden, Home, temporary_home
from support.waiting import eventually

from callao.config import VMType
from callao.drivers.apple import short_folder
from callao.drivers.apple.files import Sockets, tool_log
from callao.errors import CallaoError, SnapshotError
from callao.events import Event
from callao.instances import InstancePaths
from callao.lifecycle.mounts import MountRequest, ensure_mount
from callao.lifecycle.snapshots import operations
from callao.ports import any_free

pytestmark = pytest.mark.guest

CMDLINE = "root=LABEL=root ro console=tty0 console=hvc0 quiet mitigations=off"
"""vfkit's machines have no other console, and hvc0's driver is a module: tty0 is there before it."""
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

    def left(self) -> list[str]:
        """What is there of a machine."""
        files = [each.name for each in self.paths.runtime_files if each.exists()]
        folder = short_folder.folder_of(self.paths)
        return [*files, *([str(folder)] if folder.exists() else []), *self.home.processes()]


@contextlib.contextmanager
def box_of(golden: Golden, vm_type: VMType, *programs: str) -> Iterator[Box]:
    """Its home has nothing but the programs' stand-ins and a directory."""
    with temporary_home(golden, cache=None) as home, pytest.MonkeyPatch.context() as patch:
        leases = str(home.path / "leases")
        installed = install(home.path / "bin", {"CALLAO_STAND_IN_LEASES": leases}, programs)
        patch.setenv("PATH", str(installed), prepend=os.pathsep)
        patch.setenv("CALLAO_DHCPD_LEASES", leases)
        box = Box(home, vm_type, home.path / "shared")
        box.shared.mkdir()
        (box.shared / "fact").write_text("from the host\n")
        yield box


@pytest.fixture(scope="module")
def vz(golden: Golden) -> Iterator[Box]:
    """In macOS's own network, as there is no gvproxy; ssh goes by vsock."""
    with box_of(golden, VMType.VZ, "vfkit") as box:
        kernel = box.home.direct()
        kernel["images"][0]["kernel"]["cmdline"] = CMDLINE
        box.start(**kernel, ssh={"overVsock": True}, networks=[{"lima": "user-v2"}])
        yield box


def test_the_start_tells_what_vz_has_not(vz: Box) -> None:
    told = " ".join(each.message for each in vz.events)
    assert "warm: booting instead: a vz machine cannot be saved while it runs" in told
    assert "read-only in the guest, but vfkit shares it writable" in told
    assert "hostResolver: the guest cannot reach it in this network" in told


def test_directories_are_shared_and_the_guest_mounts_one_of_them_read_only(vz: Box) -> None:
    tried = f"{READ_FACT}; echo x >/mnt/write/new; touch /mnt/read/no 2>/dev/null || echo refused"
    assert vz.run(f"sudo sh -c '{tried}'") == "from the host\nrefused"
    assert (vz.shared / "new").read_text() == "x\n"
    assert not (vz.shared / "no").exists()


def test_ssh_reaches_the_guest_by_vsock_alone_and_by_its_lease_alone(vz: Box) -> None:
    mac_address = vz.run("cat /sys/class/net/e*/address")
    vsock = Sockets(short_folder.folder_of(vz.paths)).ssh
    assert vz.connection(f"callao.ssh.proxy unix:{vsock}").startswith("UNKNOWN")  # sshd knows no address
    assert vz.connection(f"callao.drivers.apple.connect {mac_address}").endswith("192.168.64.2 22")


def test_a_network_of_user_v2_passes_the_frames_of_its_datagrams(vz: Box) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"host")

        threading.Thread(target=greet, daemon=True).start()
        port = server.getsockname()[1]
        asked = f"exec 3<>/dev/tcp/192.168.104.2/{port}; head -c 4 <&3"
        assert vz.run(f"timeout 60 bash -c '{asked}'") == "host"
    assert vz.run("ip -4 -brief address show dev lima0").split()[2] == "192.168.104.3/24"


def test_a_server_that_begins_to_listen_in_the_guest_is_at_the_hosts_port(vz: Box) -> None:
    vz.run(f"nohup python3 -m http.server {GUEST_PORT} --bind 127.0.0.1 >/dev/null 2>&1 &")
    eventually(vz.fetched)


def test_devices_and_states_that_vz_has_not_are_refused_with_the_reason(vz: Box) -> None:
    home = vz.home
    request = MountRequest(instance="box", location=str(vz.shared), mount_point="/mnt/hot", type="virtiofs")
    with pytest.raises(CallaoError, match=r"virtiofs cannot be mounted while.*allowed: reverse-sshfs"):
        ensure_mount(request, home=home.path, host=home.host, check=False)
    with pytest.raises(SnapshotError, match="a running vz machine cannot be saved"):
        operations.take("box", "now", home=home.path, host=home.host, timeout=10, report=vz.events.append)


def test_a_mount_by_ssh_needs_no_device(vz: Box) -> None:
    request = MountRequest(
        instance="box", location=str(vz.shared), mount_point="/mnt/hot", type="reverse-sshfs"
    )
    assert ensure_mount(request, home=vz.home.path, host=vz.home.host, check=False).changed
    assert vz.run("cat /mnt/hot/fact") == "from the host"


def test_it_shuts_down_and_nothing_is_left(vz: Box) -> None:
    vz.home.ensure("box", state="stopped")
    assert "VM is stopped" in tool_log(vz.paths, VMType.VZ).read_text()
    assert vz.left() == []
    vz.home.delete("box")
    assert not vz.paths.dir.exists()
