# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs several calls at the same time, each in a worker process.

Threads are not used, because msgspec 0.22.0 crashes the process when two threads use a Struct for the first
time: one reads type information that the other has not finished.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

Thing = TypeVar("Thing")
Answer = TypeVar("Answer")

_FORK = get_context("fork")  # modules that are imported need no second import


@dataclass(frozen=True)
class WorkerFailed:
    """The failure of a worker: the reason in one sentence, and its traceback if there is one."""

    reason: str
    trace: str = ""


def in_workers(call: Callable[[Thing], Answer], things: Sequence[Thing]) -> list[Answer | WorkerFailed]:
    """The results of *call* for each of *things*, in the same order; results are pickled."""
    if sys.platform == "win32":
        from callao.errors import unsupported

        raise unsupported("fork(2)")
    running = []
    for thing in things:
        answers, answering = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_answer, args=(answering, call, thing))
        process.start()
        answering.close()  # the worker has the only other copy, which ends with it
        running.append((process, answers))
    return [_answered(process, answers) for process, answers in running]


def _answer(answering: Connection, call: Callable[[Thing], Answer], thing: Thing) -> None:
    # Ansible's own handlers are for the process that has started this one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        answer: Answer | WorkerFailed = call(thing)
    except Exception as error:
        answer = WorkerFailed(f"{type(error).__name__}: {error}", traceback.format_exc())
    answering.send(answer)


def _answered(process: BaseProcess, answers: Connection) -> Answer | WorkerFailed:
    with answers:
        try:
            answer: Answer | WorkerFailed = answers.recv()
        except EOFError:
            process.join()
            return WorkerFailed(f"its process ended without an answer (exit status {process.exitcode}).")
    process.join()
    return answer
