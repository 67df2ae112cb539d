# SPDX-License-Identifier: GPL-3.0-or-later
"""A pytest plugin: the engine in this process is on macOS, as far as :mod:`callao.system` tells it.

``pytest -p support.darwin`` with ``tests`` on ``PYTHONPATH``, as ``make darwin`` runs it. Whatever is asked
of libproc goes to psutil. A program that a test starts is on Linux. What Linux alone has is not tested.
"""

from __future__ import annotations

import pytest

from callao import system
from callao.system import darwin

for _name in darwin.__all__:
    setattr(system, _name, getattr(darwin, _name))

OF_LINUX = {
    "the entries of systemd, and no launchctl here": (
        "autostart/test_autostart.py::test_an_instance_is_registered_once_and_no_more",
        "autostart/test_autostart.py::test_systemd_takes_the_unit_and_reads_the_home_in_it",
        "autostart/test_autostart.py::test_an_entry_of_limactl_counts_and_is_removed_as_ours_is",
        "autostart/test_autostart.py::test_an_entry_whose_program_is_gone_is_written_anew",
        "autostart/test_autostart.py::test_another_homes_instance_of_the_name_is_not_replaced",
        "autostart/test_autostart.py::test_a_user_without_a_home_has_no_entries",
        "autostart/test_autostart.py::test_without_systemd_it_says_so",
    ),
    "locks of open files, of which macOS's kernel tells nobody else": (
        "disks/test_ownership.py::test_a_disk_that_somebody_writes_is_taken_by_nobody",
        "instances/test_in_use.py::test_a_disk_that_is_written_is_nobody_elses",
        "instances/test_in_use.py::test_nothing_destructive_is_done_under_a_machine",
    ),
    "the kernel's clock, by which Linux notes when a process began": (
        "instances/test_processes.py::test_a_pid_file_older_than_the_process_is_stale",
        "instances/test_processes.py::test_a_step_of_the_clock_makes_nobody_somebody_else",
    ),
    "a process whose threads end one after the other, which Linux waits for by a pidfd": (
        "instances/test_processes.py::"
        "test_one_that_is_gone_has_let_go_of_its_sockets_whichever_thread_ended_first",
    ),
}
"""Tests of what Linux alone has: by the reason, the beginnings of their names below tests/unit."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    names = tuple(f"tests/unit/{name}" for group in OF_LINUX.values() for name in group)
    left_out = [each for each in items if each.nodeid.startswith(names)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [each for each in items if each not in left_out]
