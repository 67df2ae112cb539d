# SPDX-License-Identifier: GPL-3.0-or-later
"""socket_vmnet by real sudo and visudo, in a mount namespace with users and a sudoers.d of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from support.sudo_namespace import SudoNamespace, sudo_namespace

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a mount namespace needs root")

READ = """
import json, socket, sys
from pathlib import Path
from callao.config.networks_yaml import read_networks
from callao.networks.vmnet import commands, daemon, reconcile
from callao.networks.vmnet.daemon import Patience
home = Path("/srv/home/.lima")
networks = read_networks(home)
"""
START = ("/srv/bin/socket_vmnet", "--pidfile=/srv/run/lima/bridged_socket_vmnet.pid", "--socket-group=admin",
         "--vmnet-mode=bridged", "--vmnet-interface=en0", "/srv/run/lima/socket_vmnet.bridged")  # fmt: skip
SUDO = ("sudo", "--non-interactive", "--user", "root", "--group", "root")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SudoNamespace]:
    with sudo_namespace(tmp_path_factory.mktemp("etc")) as found:
        done = found.callao("sudoers", "--install", user=False)
        assert done.returncode == 0, done.stderr
        yield found


def test_the_file_is_what_is_printed_and_what_is_checked(host: SudoNamespace) -> None:
    printed = host.callao("sudoers")
    assert printed.stdout == host.run("cat", "/etc/sudoers.d/lima").stdout
    assert host.run("stat", "-c", "%U %G %a", "/etc/sudoers.d/lima").stdout == "root root 644\n"
    checked = host.callao("sudoers", "--check")
    assert checked.stdout == "`/etc/sudoers.d/lima` is up-to-date (or sudo doesn't require a password)\n"
    assert "is up to date" in host.callao("sudoers", "--install", user=False).stderr
    host.run("sh", "-c", "echo x > /srv/home/other")
    changed = host.callao("sudoers", "--check", "/srv/home/other")
    assert (changed.returncode, "callao sudoers --install" in changed.stderr) == (1, True)
    assert (
        host.callao("sudoers", "--check", "/etc/sudoers.d/none").returncode == 1
    )  # sudo asks for a password
    assert host.callao("sudoers", "/etc/sudoers.d/lima").returncode == 1


def test_a_file_of_somebody_else_is_not_replaced(host: SudoNamespace) -> None:
    host.run("sh", "-c", "echo '# mine' > /etc/sudoers.d/other", user=False)
    done = host.callao("sudoers", "--install", "/etc/sudoers.d/other", user=False)
    assert (done.returncode, "is left alone" in done.stderr) == (1, True)
    assert host.run("cat", "/etc/sudoers.d/other", user=False).stdout == "# mine\n"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("/etc/sudoers.d/lima.conf", "path: '/etc/sudoers.d/lima.conf': is a name that sudo leaves out"),
        ("/srv/home/lima", "/srv/home is owned by uid 4711, not by root"),
        ("lima", "path: 'lima': is not absolute"),
    ],
)
def test_a_file_that_sudo_does_not_read_or_others_change_is_not_written(
    host: SudoNamespace, file: str, words: str
) -> None:
    done = host.callao("sudoers", "--install", file, user=False)
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert host.run("test", "-e", file, user=False).returncode == 1


def test_a_group_that_the_host_does_not_have_is_one_error_before_anything_is_installed(
    host: SudoNamespace,
) -> None:
    yaml = "/srv/home/.lima/_config/networks.yaml"
    host.run("sed", "-i", "s/^group: admin/group: admins/", yaml, user=False)
    installed = host.callao("sudoers", "--install", "/etc/sudoers.d/new", user=False)
    start = host.python(READ + 'daemon.start(networks, networks.by_name["host"], home)')
    host.run("sed", "-i", "s/^group: admins/group: admin/", yaml, user=False)
    for done in (installed, start):
        assert f"group: this host has no group 'admins', which {yaml} names" in done.stderr
    assert host.run("test", "-e", "/etc/sudoers.d/new", user=False).returncode == 1


@pytest.mark.parametrize(
    "command",
    [
        (*SUDO, *START, "more"),
        (*SUDO, *START[:-1], f"{START[-1]}x"),
        (*SUDO, *START[:-1]),
        (*SUDO, START[0], "--pidfile=/etc/passwd", *START[2:]),
        (*SUDO, "FOO=1", *START),
        (*SUDO, "--preserve-env", *START),
        ("sudo", "--non-interactive", "--user", "daemon", *START),
        (*SUDO, "/usr/bin/pkill", "-F", "/srv/run/lima/bridged_socket_vmnet.pid", "-9"),
        (*SUDO, "/usr/bin/pkill", "-F", "/srv/run/lima/../bridged_socket_vmnet.pid"),
        (*SUDO, "/bin/mkdir", "-m", "777", "-p", "/srv/run/lima"),
        (*SUDO, "true"),
    ],
)
def test_sudo_refuses_any_command_but_the_exact_ones(host: SudoNamespace, command: tuple[str, ...]) -> None:
    done = host.run(*command)
    assert done.returncode == 1
    assert "password is required" in done.stderr or "not allowed" in done.stderr, done.stderr
    assert host.run("test", "-e", "/srv/run/lima/bridged_socket_vmnet.pid").returncode == 1


def test_a_daemon_starts_once_after_failures_carries_frames_and_stops(host: SudoNamespace) -> None:
    host.run("sh", "-c", "echo 2 > /srv/bin/failures", user=False)
    done = host.python(
        READ
        + """
shared = networks.by_name["shared"]
daemon.start(networks, shared, home, Patience(retries=(0.0, 0.0)))
first = daemon.running_pid(networks, "shared")
daemon.start(networks, shared, home)
ends = [socket.socket(socket.AF_UNIX) for _ in range(2)]
for each in ends:
    each.connect(str(commands.socket_path(networks, "shared")))
ends[0].sendall((60).to_bytes(4, "big") + bytes(60))
frame = ends[1].recv(64, socket.MSG_WAITALL)
same = daemon.running_pid(networks, "shared") == first
daemon.stop(networks, "shared", home)
daemon.stop(networks, "shared", home)
print(json.dumps([same, len(frame), daemon.running_pid(networks, "shared")]))
"""
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, 64, None]


def test_one_that_never_starts_is_told_with_what_it_said(host: SudoNamespace) -> None:
    host.run("sh", "-c", "echo 9 > /srv/bin/failures", user=False)
    done = host.python(
        READ + 'daemon.start(networks, networks.by_name["host"], home, Patience(retries=(0.0,)))'
    )
    host.run("rm", "/srv/bin/failures", user=False)
    assert (
        "NetworkError: socket_vmnet of network 'host' ended with 1 before it was ready, 2 times: "
        in done.stderr
    )
    assert "vmnet_start_interface: VMNET_FAILURE" in done.stderr


def test_a_pid_file_of_another_process_is_no_daemon_and_that_process_lives(host: SudoNamespace) -> None:
    pid_file = "/srv/run/lima/host_socket_vmnet.pid"
    other = f"mkdir -p /srv/run/lima; sleep 60 >/dev/null 2>&1 & echo $! > {pid_file}"
    host.run("sh", "-c", other, user=False)
    done = host.python(
        READ
        + """
pid = int(commands.pid_file(networks, "host").read_text())
before = daemon.running_pid(networks, "host")
daemon.stop(networks, "host", home)
daemon.start(networks, networks.by_name["host"], home)
lives = Path(f"/proc/{pid}/comm").read_text().strip()
own = daemon.running_pid(networks, "host") != pid
daemon.stop(networks, "host", home)
print(json.dumps([before, lives, own]))
"""
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [None, "sleep", True]


def test_networks_run_while_a_running_instance_names_them(host: SudoNamespace) -> None:
    done = host.python(
        READ
        + """
import asyncio, os
from callao.config.schema import Network
from callao.hostagent.nics.attachment import attach
nic = Network(lima="shared", interface="lima0", mac_address="52:55:55:00:00:01")
attachment = asyncio.run(attach(nic, None, None))
(home / "web").mkdir()
(home / "web" / "lima.yaml").write_text("networks: [{lima: shared}]")
(home / "web" / "ha.pid").write_text(str(os.getpid()))
running = []
for leaving in ("other", "web"):
    reconcile.stop_unused(home, leaving)
    running.append(daemon.running_pid(networks, "shared") is not None)
print(json.dumps([attachment.carried_by_vmnet, attachment.address, *running]))
"""
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, "", True, False]


def test_networks_end_with_an_instance_whose_host_agent_was_killed(host: SudoNamespace) -> None:
    done = host.python(
        READ
        + """
from callao.lifecycle.quick_stop import delete_indexed
daemon.start(networks, networks.by_name["shared"], home)
(home / "crashed").mkdir()
(home / "crashed" / "lima.yaml").write_text("networks: [{lima: shared}]")
(home / "crashed" / "ha.pid").write_text("999999")
silent = lambda _text: None
gone = delete_indexed("crashed", home, timeout=9.0, notice=print, passed=silent)
print(json.dumps([gone, daemon.running_pid(networks, "shared")]))
"""
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, None]


def test_nothing_runs_as_root_that_others_can_change(host: SudoNamespace) -> None:
    host.run("chown", "limauser", "/srv/bin", user=False)
    done = host.callao("sudoers")
    start = host.python(READ + 'daemon.start(networks, networks.by_name["host"], home)')
    host.run("chown", "root", "/srv/bin", user=False)
    assert (done.returncode, done.stdout) == (1, "")
    for each in (done, start):
        assert "/srv/bin is owned by uid 4711, not by root" in each.stderr
