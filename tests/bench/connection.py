# SPDX-License-Identifier: GPL-3.0-or-later
"""Thirty small tasks over ``callao.lima.instance`` against the plain ssh plugin, same guest, same play.

python tests/bench/connection.py [ROUNDS]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import say, show_ratio
from bench.plays import task_seconds
from support.home import build_golden, temporary_home

from callao.instances import inspect, summary

TASKS = 30

INVENTORY = """
all:
  vars:
    ansible_python_interpreter: /usr/bin/python3
    ansible_pipelining: true
  hosts:
    ours: {{ansible_connection: callao.lima.instance, lima_instance: bench}}
    plain:
      ansible_connection: ssh
      ansible_host: 127.0.0.1
      ansible_port: {port}
      ansible_user: {user}
      ansible_ssh_private_key_file: {identity_file}
      ansible_ssh_common_args: >-
        -o UserKnownHostsFile={known_hosts_file} -o HostKeyAlias={host_key_alias}
        -o StrictHostKeyChecking=yes
"""


def play(host: str) -> str:
    tasks = "".join(f"    - name: {host}\n      ansible.builtin.command: 'true'\n" for _ in range(TASKS))
    head = f"- hosts: {host}\n  gather_facts: false\n  tasks:\n"
    return head + "    - name: warm\n      ansible.builtin.ping:\n" + tasks


def main(rounds: int) -> None:
    ours: list[float] = []
    plain: list[float] = []
    with temporary_home(build_golden()) as home, tempfile.TemporaryDirectory() as folder:
        home.ensure("bench", timeout=300)
        ssh = summary(inspect("bench", home.path, home.host))["ssh"]
        assert isinstance(ssh, dict)
        for number in range(rounds):
            text = play("ours") + play("plain") if number % 2 == 0 else play("plain") + play("ours")
            taken = task_seconds(Path(folder), text, INVENTORY.format(**ssh), home.path)
            ours.append(sum(taken["ours"]))
            plain.append(sum(taken["plain"]))
            say(f"round {number + 1}: {ours[-1]:.1f} s, plain ssh {plain[-1]:.1f} s")
    show_ratio(f"connection: {TASKS} tasks against the plain ssh plugin", ours, plain, 1.03)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
