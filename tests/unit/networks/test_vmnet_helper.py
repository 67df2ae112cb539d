# SPDX-License-Identifier: GPL-3.0-or-later
"""vmnet-helper by real sudo, which passes it its datagrams as standard input and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import vmnet_helper
from support.sudo_namespace import NETWORKS, SHEBANG, SudoNamespace, sudo_namespace

from callao.config.networks_yaml import parse_networks
from callao.networks.vmnet.helper import needs_no_root
from callao.networks.vmnet.sudoers import is_ours, sudoers_text

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="a mount namespace needs root")
WITH_HELPER = NETWORKS.replace("/srv/bin/socket_vmnet", "/srv/bin/vmnet-helper")
TEXT = """\
%admin ALL=(root:wheel) NOPASSWD:NOSETENV: /bin/mkdir -m 775 -p /srv/run/lima

# Manage "bridged" network daemons

%admin ALL=(root:root) NOPASSWD:NOSETENV: \\
    /srv/bin/vmnet-helper --fd=0 --operation-mode=bridged --shared-interface=en0

# Manage "host" network daemons

%admin ALL=(root:root) NOPASSWD:NOSETENV: \\
    /srv/bin/vmnet-helper --fd=0 --operation-mode=host --start-address=192.168.106.1 \
--end-address=192.168.106.254 --subnet-mask=255.255.255.0

# Manage "shared" network daemons

%admin ALL=(root:root) NOPASSWD:NOSETENV: \\
    /srv/bin/vmnet-helper --fd=0 --operation-mode=shared --start-address=192.168.105.1 \
--end-address=192.168.105.254 --subnet-mask=255.255.255.0
"""
PLAY = """
import asyncio, json, os, signal
from pathlib import Path
import psutil
from callao.config.schema import Network
from callao.errors import CallaoError
from callao.hostagent.nics.attachment import attach
from callao.instances import InstancePaths
web = InstancePaths(Path("/srv/home/.lima/web"))
web.dir.mkdir(exist_ok=True)
def nic(interface, network="shared"):
    return Network(lima=network, interface=interface, mac_address="52:55:55:00:00:01")
def helper_of(attachment):
    (found,) = psutil.Process(attachment.helper.process.pid).children(recursive=True)
    return found
async def play():
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SudoNamespace]:
    program = SHEBANG + Path(vmnet_helper.__file__).read_bytes()
    with sudo_namespace(tmp_path_factory.mktemp("etc"), program) as found:
        move = (
            "mv /srv/bin/socket_vmnet /srv/bin/vmnet-helper && cat > /srv/home/.lima/_config/networks.yaml"
        )
        found.run("sh", "-c", f"{move} <<'END'\n{WITH_HELPER}END", user=False)
        done = found.callao("sudoers", "--install", user=False)
        assert done.returncode == 0, done.stderr
        yield found


def played(host: SudoNamespace, body: str) -> object:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    done = host.python(f"{PLAY}{lines}asyncio.run(play())\n")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_network_has_the_helpers_command_in_place_of_socket_vmnets() -> None:
    text = sudoers_text(parse_networks(WITH_HELPER), installed=True, root_group="root")
    assert text == TEXT
    assert is_ours(text)


@pytest.mark.parametrize(("macos", "none"), [("26.0", True), ("27", True), ("15.7.1", False), ("", False)])
def test_macos_26_needs_no_root(macos: str, none: bool) -> None:
    assert needs_no_root(macos) == none


@needs_root
def test_sudo_allows_the_exact_commands_alone(host: SudoNamespace) -> None:
    assert host.callao("sudoers").stdout == TEXT == host.run("cat", "/etc/sudoers.d/lima").stdout
    sudo = ("sudo", "--non-interactive", "--user", "root", "--group", "root", "/srv/bin/vmnet-helper")
    bridged = ("--fd=0", "--operation-mode=bridged", "--shared-interface=en0")
    for wrong in (
        (*sudo, *bridged, "--verbose"),
        (*sudo, "--fd=0", "--operation-mode=bridged", "--shared-interface=en1"),
        (*sudo[:1], "--close-from=4", *sudo[1:], "--fd=3", *bridged[1:]),
        (*sudo[:-1], "/srv/bin/socket_vmnet", *bridged),
    ):
        done = host.run(*wrong)
        assert done.returncode == 1
        assert "password is required" in done.stderr or "not permitted" in done.stderr, done.stderr


@needs_root
def test_an_interface_has_a_helper_of_the_users_that_ends_with_it(host: SudoNamespace) -> None:
    assert played(host, """
one, two = [await attach(nic(each), web, None) for each in ("lima0", "lima1")]
loop = asyncio.get_running_loop()
for each in (one, two):
    each.stream.setblocking(False)
# The other one's socket comes after its line of JSON.
frame = b""
while not frame:
    await loop.sock_sendall(one.stream, bytes(60))
    try:
        frame = await asyncio.wait_for(loop.sock_recv(two.stream, 2000), 0.1)
    except TimeoutError:
        pass
helpers = [helper_of(each) for each in (one, two)]
uids = {each.uids().real for each in helpers}
await one.leave()
os.kill(helpers[1].pid, signal.SIGKILL)
await two.lost(print)
await two.leave()
gone = [not each.is_running() for each in helpers]
print(json.dumps([len(frame), list(uids), gone, [one.carried_by_vmnet, one.address]]))
""") == [60, [4711], [True, True], [False, ""]]  # fmt: skip


@needs_root
def test_one_that_creates_no_interface_is_told_with_what_it_said(host: SudoNamespace) -> None:
    host.run("sh", "-c", "echo 9 > /srv/bin/failures", user=False)
    told = played(host, """
try:
    await attach(nic("lima0", "host"), web, None)
except CallaoError as error:
    print(json.dumps([error.message, error.hint]))
""")  # fmt: skip
    host.run("rm", "/srv/bin/failures", user=False)
    assert told == [
        "vmnet-helper of network 'host' said no interface: ERROR [main] vmnet_start_interface: "
        "VMNET_FAILURE.",
        "What it wrote is in /srv/home/.lima/web/vmnet-helper.lima0.log.",
    ]


@needs_root
def test_one_that_others_can_change_does_not_run_as_root(host: SudoNamespace) -> None:
    host.run("chown", "limauser", "/srv/bin/vmnet-helper", user=False)
    told = played(host, """
try:
    await attach(nic("lima0"), web, None)
except CallaoError as error:
    print(json.dumps(str(error)))
""")  # fmt: skip
    host.run("chown", "root", "/srv/bin/vmnet-helper", user=False)
    assert "paths.socketVMNet: '/srv/bin/vmnet-helper': " in str(told)
    assert "is owned by uid 4711, not by root" in str(told)
