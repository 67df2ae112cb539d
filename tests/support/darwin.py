# SPDX-License-Identifier: GPL-3.0-or-later
"""A pytest plugin: the engine in this process is on macOS, as far as :mod:`callao.system` tells it.

``pytest -p support.darwin`` with ``tests`` on ``PYTHONPATH``, as ``make darwin`` runs it. Whatever is asked
of libproc goes to psutil. A program that a test starts is on Linux. What Linux alone has is not tested,
nor are the folders of tests/unit that ask nothing of a host's system (config, templates, gotemplate, cidata,
timeline, lockfile), those of Ansible, Molecule and the command line, which start programs of their own, and
those of the guest's program, which runs on Linux.
"""

from __future__ import annotations

import shutil
import tempfile

import pytest

from callao import system
from callao.system import darwin

_OF_LINUX = {name: getattr(system, name) for name in ("COPY_OPTIONS", "hangup_watch")}
"""Of programs and system calls that this host has: cp(1), epoll(7)."""
for _name in darwin.__all__:
    setattr(system, _name, getattr(darwin, _name))
for _name, _value in _OF_LINUX.items():
    setattr(system, _name, _value)

OF_LINUX = {
    "the entries of systemd, and no launchctl here": (
        "autostart/test_autostart.py::test_an_instance_is_registered_once_and_no_more",
        "autostart/test_autostart.py::test_systemd_takes_the_unit_and_reads_the_home_in_it",
        "autostart/test_autostart.py::test_an_entry_of_limactl_counts_and_is_removed_as_ours_is",
        "autostart/test_autostart.py::test_an_entry_whose_program_is_gone_is_written_anew",
        "autostart/test_autostart.py::test_another_homes_instance_of_the_name_is_not_replaced",
        "autostart/test_autostart.py::test_a_user_without_a_home_has_no_entries",
        "autostart/test_autostart.py::test_without_systemd_it_says_so",
        "lifecycle/test_protected_autostart.py::"
        "test_a_mark_is_set_and_taken_away_once_and_check_mode_says_so[autostart]",
        "lifecycle/test_protected_autostart.py::test_a_deleted_one_is_not_started_at_login_any_more",
        "lifecycle/test_protected_autostart.py::test_one_that_is_made_anew_is_still_started_at_login",
        "lifecycle/test_protected_autostart.py::test_a_renamed_instance_is_the_same_and_the_request_is_met_once",
        "lifecycle/test_protected_autostart.py::test_the_command_line_renames_what_is_started_at_login_too",
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


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Tests have folders of short names: some make sockets there, whose paths have 103 bytes on macOS."""
    if not hasattr(config, "workerinput"):
        config.option.basetemp = config.option.basetemp or tempfile.mkdtemp(prefix="d-", dir="/tmp")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(config.option.basetemp, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    names = tuple(f"tests/unit/{name}" for group in OF_LINUX.values() for name in group)
    left_out = [each for each in items if each.nodeid.startswith(names)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [each for each in items if each not in left_out]
