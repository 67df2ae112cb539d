# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance on another machine: a network namespace with an sshd, and the guest's on its loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import programs
from support.namespace import network_namespace
from support.sshd import USER, Box, Sshd, free_port, keygen, proxied_reach

from callao.ssh import known_hosts

SUITE = Path(__file__).parents[2] / "guests" / "connection" / "suite.yml"
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a network namespace needs root")


@dataclass
class Machine:
    """The other machine: its sshd is reached by its address; what listens on its loopback is not."""

    namespace: str
    sshd: Sshd
    guest: Sshd
    box: Box
    inventory: dict[str, Any]

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.namespace)


@pytest.fixture
def namespace() -> Iterator[tuple[str, str]]:
    with network_namespace() as found:
        yield found


@pytest.fixture
def machine(namespace: tuple[str, str], box: Box, tmp_path: Path) -> Machine:
    """It runs an instance ``web``, whose guest lets in the key of this machine, not that of its own."""
    name, address = namespace
    prefix = ("ip", "netns", "exec", name)
    key = keygen(tmp_path / "admin")
    sshd = box.start(
        folder=tmp_path / "far-sshd",
        port=2222,
        address=address,
        prefix=prefix,
        authorized=key.with_suffix(".pub"),
    )
    known = tmp_path / "known_hosts"
    known.write_text(known_hosts(f"[{address}]:2222", Path(f"{sshd.host_key}.pub").read_text()))
    far = tmp_path / "far"
    (far / "_config").mkdir(parents=True)
    keygen(far / "_config" / "user")
    there = Box(home=far, start=box.start)
    guest = box.start(prefix=prefix, mark="far")
    there.instance("web", guest)
    hosts = {
        "hv": {
            "ansible_host": address,
            "ansible_port": 2222,
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes",
        },
        "web": {
            "ansible_connection": "callao.lima.instance",
            "ansible_python_interpreter": "/usr/bin/python3",
            "lima_host": "hv",
            "lima_home": str(far),
        },
    }
    inventory = {"all": {"hosts": hosts, "children": {"guests": {"hosts": {"web": {}}}}}}
    return Machine(namespace=name, sshd=sshd, guest=guest, box=there, inventory=inventory)


def ansible(
    machine: Machine, environment: dict[str, str], tmp_path: Path, *words: str, program: str = "ansible"
) -> subprocess.CompletedProcess[str]:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps(machine.inventory))
    return programs.run(program, "-i", str(inventory), *words, environment=environment)


def raw(
    machine: Machine, environment: dict[str, str], tmp_path: Path, command: str
) -> subprocess.CompletedProcess[str]:
    return ansible(machine, environment, tmp_path, "web", "-m", "raw", "-a", command)


def test_the_guest_is_reached_through_its_machine_alone(
    machine: Machine, environment: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", machine.guest.port), timeout=5).close()
    done = raw(machine, environment, tmp_path, "echo $CALLAO_MARK; ip netns identify $$")
    assert "farx" in done.stdout, done.stdout + done.stderr
    assert machine.namespace in done.stdout


def test_a_proxy_command_of_the_instance_runs_on_its_machine(
    machine: Machine, environment: dict[str, str], tmp_path: Path
) -> None:
    machine.box.instance(
        "web", machine.guest, reach=proxied_reach(tmp_path / "join it.py", machine.guest.port)
    )
    try:
        done = raw(machine, environment, tmp_path, "echo $CALLAO_MARK")
    finally:
        machine.guest.kill()  # with its session, or the proxy command would go on
    assert "farx" in done.stdout, done.stdout + done.stderr


@pytest.mark.once
def test_the_standard_suite_passes_through_it_without_pipelining(
    machine: Machine, environment: dict[str, str], tmp_path: Path
) -> None:
    big = tmp_path / "big.in"
    big.write_bytes(os.urandom(2**20))
    (tmp_path / "script.sh").write_text('#!/bin/sh\necho script\necho "$1"\n')
    variables = [
        word
        for pair in (f"scratch={tmp_path}", f"big_file={big}", f"far={tmp_path}/put")
        for word in ("-e", pair)
    ]
    environment["ANSIBLE_PIPELINING"] = "false"
    done = ansible(machine, environment, tmp_path, *variables, str(SUITE), program="ansible-playbook")
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_first_task_logs_in(machine: Machine, environment: dict[str, str], tmp_path: Path) -> None:
    # Ansible's own minute may pass between two tasks of a loaded machine.
    environment["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=auto -o ControlPersist=10m"
    for _ in range(2):
        assert raw(machine, environment, tmp_path, "true").returncode == 0
    for sshd in (machine.sshd, machine.guest):
        assert (sshd.folder / "sshd.log").read_text().count("Accepted publickey") == 1


def test_the_way_there_is_in_no_process_group_of_ansibles(
    machine: Machine, environment: dict[str, str], tmp_path: Path
) -> None:
    # Ansible ends a worker that is slow to end by its group, at the end of a run.
    assert raw(machine, environment, tmp_path, "true").returncode == 0
    there = f"127.0.0.1:{machine.guest.port}"
    (way,) = [each.pid for each in psutil.process_iter(["cmdline"]) if there in (each.info["cmdline"] or [])]
    assert os.getsid(way) == way


def test_a_new_start_on_another_port_with_another_key_is_found(
    machine: Machine, box: Box, environment: dict[str, str], tmp_path: Path
) -> None:
    first = box.start(prefix=machine.prefix, port=free_port())
    machine.box.instance("web", first)
    assert raw(machine, environment, tmp_path, "true").returncode == 0
    first.kill()
    machine.box.instance("web", box.start(prefix=machine.prefix, mark="second"))
    done = raw(machine, environment, tmp_path, "echo $CALLAO_MARK")
    assert "secondx" in done.stdout, done.stdout


def test_an_instance_that_is_stopped_there_is_said_to_be(
    machine: Machine, environment: dict[str, str], tmp_path: Path
) -> None:
    (machine.box.home / "web" / "ha.pid").unlink()
    done = raw(machine, environment, tmp_path, "true")
    assert "UNREACHABLE" in done.stdout
    assert "instance 'web' is stopped on hv: start it with" in done.stdout


def test_an_instance_that_is_missing_there_is_said_to_be(
    machine: Machine, environment: dict[str, str], tmp_path: Path
) -> None:
    machine.inventory["all"]["hosts"]["web"]["lima_instance"] = "db"
    done = raw(machine, environment, tmp_path, "true")
    assert f"instance 'db' does not exist in {machine.box.home} on hv" in done.stdout


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ansible_port": 2223}, "lima_host: 'hv' cannot be reached over ssh"),
        ({"ansible_connection": "docker"}, "lima_host: 'hv' has ansible_connection=docker"),
        ({"ansible_password": "x"}, "lima_host: 'hv' is reached with a password"),
    ],
)
def test_a_machine_that_is_no_way_to_the_guest_is_named(
    machine: Machine, environment: dict[str, str], tmp_path: Path, variables: dict[str, object], says: str
) -> None:
    machine.inventory["all"]["hosts"]["hv"] |= variables
    done = raw(machine, environment, tmp_path, "true")
    assert "UNREACHABLE" in done.stdout
    assert says in done.stdout


def test_a_host_that_is_this_machine_needs_no_way(
    box: Box, machine: Machine, environment: dict[str, str], tmp_path: Path
) -> None:
    box.instance("web", box.start(mark="near"))
    machine.inventory["all"]["hosts"]["hv"] = {"ansible_connection": "local"}
    machine.inventory["all"]["hosts"]["web"]["lima_home"] = str(box.home)
    done = raw(machine, environment, tmp_path, "echo $CALLAO_MARK")
    assert "nearx" in done.stdout, done.stdout
