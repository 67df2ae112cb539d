# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls side by side, each in a process of its own."""

from __future__ import annotations

import os
import signal
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier

from callao.molecule.workers import WorkerFailed, in_workers


def meet(barrier: Barrier, word: str) -> str:
    barrier.wait(timeout=30)  # seconds; broken when they are not there at the same time
    return word.upper()


def go(word: str) -> str:
    if word == "killed":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "wrong":
        raise ValueError("no such word")
    return word.upper()


def test_they_run_at_once_and_are_answered_in_their_order() -> None:
    barrier = get_context("fork").Barrier(3)
    assert in_workers(partial(meet, barrier), ["a", "b", "c"]) == ["A", "B", "C"]


def test_one_that_fails_or_dies_leaves_the_others_alone() -> None:
    first, killed, wrong, last = in_workers(go, ["first", "killed", "wrong", "last"])
    assert (first, last) == ("FIRST", "LAST")
    assert killed == WorkerFailed(f"its process ended without an answer (exit status -{signal.SIGSEGV:d}).")
    assert isinstance(wrong, WorkerFailed)
    assert wrong.reason == "ValueError: no such word"
    assert "in go" in wrong.trace


def test_a_signal_ends_it_whatever_its_parent_does_on_one() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        (ended,) = in_workers(lambda number: os.kill(os.getpid(), number), [signal.SIGTERM])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert isinstance(ended, WorkerFailed)
