# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest's hooks for a run of these tests: in the process that was called, and in xdist's workers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

from support.boots import recorded
from support.interrupts import end_workers, interrupt_once, worker_begins, worker_ends
from support.times import by_test, table

_FOLDER = "CALLAO_TEST_RUN"


def folder() -> Path:
    """What the processes of this run share."""
    return Path(os.environ[_FOLDER])


class Run:
    """The process that was called: it reports, and sees to its workers."""

    def __init__(self) -> None:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="pytest-callao-")
        interrupt_once()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration

    def pytest_keyboard_interrupt(self) -> None:
        end_workers(folder())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.seconds:
            return
        terminalreporter.section("where the time went")
        for line in table(by_test(self.seconds, recorded(folder()))):
            terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        shutil.rmtree(folder(), ignore_errors=True)


class Worker:
    """One of xdist's workers."""

    def __init__(self) -> None:
        interrupt_once()
        worker_begins(folder())

    def pytest_unconfigure(self) -> None:
        worker_ends(folder())
