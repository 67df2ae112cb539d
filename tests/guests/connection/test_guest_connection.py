# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin into real guests: here, after a recreation, on another machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.connection import boot_of, instances, run
from support.home import Golden, Home, temporary_home
from support.masters import control_folder
from support.namespace import network_namespace
from support.sshd import USER, Sshd, keygen

from callao.instances import inspect
from callao.ssh import known_hosts

pytestmark = pytest.mark.guest

SUITE = Path(__file__).with_name("suite.yml")


@pytest.fixture
def control_dir() -> Iterator[Path]:
    """Where control masters of the test live."""
    with control_folder() as folder:
        yield folder


@pytest.mark.long
def test_the_standard_suite_passes(guest: Any, control_dir: Path, tmp_path: Path) -> None:
    big = tmp_path / "big.in"
    big.write_bytes(os.urandom(2**20) * 8)  # 100 MiB go through it in the unit tests: here sshd is emulated
    (tmp_path / "script.sh").write_text('#!/bin/sh\necho script\necho "$1"\n')
    pairs = (f"scratch={tmp_path}", f"big_file={big}", "far=/var/tmp/far")
    words = [word for pair in pairs for word in ("-e", pair)]
    done = run(
        "ansible-playbook",
        instances(guest.name),
        *words,
        str(SUITE),
        home=guest.home,
        control_dir=control_dir,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stopped_instance_is_not_reached_and_a_recreated_one_is_met_anew(
    home: Home, control_dir: Path
) -> None:
    """That it starts when that is wanted is in ``disks/test_disks.py``, whose box has to boot."""
    place = {"home": home.path, "control_dir": control_dir}
    home.ensure("box", warm=True, timeout=600, extra=home.direct())
    first = boot_of("box", **place)
    assert "CHANGED" in first, first
    port = inspect("box", home.path, home.host).reach.port
    home.ensure("box", template=None, state="stopped", force=True)
    assert "instance 'box' is stopped" in boot_of("box", **place)

    extra = {**home.direct(), "ssh": {"localPort": port}}
    home.ensure("box", recreate=True, warm=True, timeout=600, extra=extra)
    assert inspect("box", home.path, home.host).reach.port == port
    second = boot_of("box", **place)
    assert "CHANGED" in second, second
    assert second != first


@pytest.mark.long
@pytest.mark.skipif(os.getuid() != 0, reason="a network namespace needs root")
def test_a_box_on_another_machine_comes_up_there_and_is_reached_through_it(
    golden: Golden, control_dir: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        home = stack.enter_context(temporary_home(golden, cache=None))  # with keys of its own
        far = stack.enter_context(temporary_home(golden)).path
        namespace, address = stack.enter_context(network_namespace())
        key = keygen(tmp_path / "admin")
        sshd = Sshd(
            folder=tmp_path / "sshd",
            port=2222,
            address=address,
            authorized=key.with_suffix(".pub"),
            prefix=("ip", "netns", "exec", namespace),
        ).start()
        stack.callback(sshd.kill)
        known = tmp_path / "known_hosts"
        known.write_text(known_hosts(f"[{address}]:2222", Path(f"{sshd.host_key}.pub").read_text()))
        inventory = {
            "all": {
                "hosts": {
                    "hv": {
                        "ansible_host": address,
                        "ansible_port": 2222,
                        "ansible_user": USER,
                        "ansible_ssh_private_key_file": str(key),
                        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known}",
                        "ansible_python_interpreter": sys.executable,
                    }
                }
            },
            "devboxes": instances("away")["guests"],
        }
        inventory["devboxes"]["vars"] |= {
            "lima_host": "hv",
            "lima_home": str(far),
            "lima_template": home.template(**home.direct()),
            "lima_warm": True,
            "lima_golden": "never",
        }

        def ansible(program: str, *words: str) -> str:
            done = run(program, inventory, *words, home=home.path, control_dir=control_dir)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        ansible("ansible-playbook", "callao.lima.site")
        stack.callback(ansible, "ansible-playbook", "callao.lima.down", "-e", "lima_down=absent")
        assert not (home.path / "away").exists()
        assert (far / "away" / "ssh.config").exists()
        assert "lima-away" in ansible("ansible", "away", "-m", "command", "-a", "hostname")
        assert "changed=0 " in ansible("ansible-playbook", "callao.lima.site")
