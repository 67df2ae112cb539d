# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard connection test suite, over a real sshd."""

from __future__ import annotations

import os
from pathlib import Path

from support import programs
from support.sshd import Box

SUITE = Path(__file__).parents[2] / "guests" / "connection" / "suite.yml"
MEBIBYTES = 100


def test_the_standard_suite_passes(box: Box, environment: dict[str, str], tmp_path: Path) -> None:
    """With pipelining; without it, in ``test_lima_host.py``."""
    box.instance("web", box.start())
    big = tmp_path / "big.in"
    big.write_bytes(os.urandom(2**20) * MEBIBYTES)
    (tmp_path / "script.sh").write_text('#!/bin/sh\necho script\necho "$1"\n')
    variables = ["-e", f"scratch={tmp_path}", "-e", f"big_file={big}", "-e", f"far={tmp_path}/far"]
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        "guests: {hosts: {web: }, vars: "
        "{ansible_connection: callao.lima.instance, ansible_python_interpreter: /usr/bin/python3}}\n"
    )
    done = programs.run(
        "ansible-playbook",
        "-i",
        str(inventory),
        *variables,
        str(SUITE),
        environment=environment | {"ANSIBLE_PIPELINING": "true"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
