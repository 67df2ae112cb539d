# SPDX-License-Identifier: GPL-3.0-or-later
"""One call for each of several things, side by side, each in a process of its own.

Not in threads: the engine has one. Two that begin to use the same Struct of msgspec's end the process, for
one finds there what the other has not written yet (seen with 0.22.0).
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

Thing = TypeVar("Thing")
Answer = TypeVar("Answer")

_FORK = get_context("fork")  # what is loaded by now need not be loaded again


@dataclass(frozen=True)
class Lost:
    """A call that did not return: why, in one sentence, and where that is known."""

    reason: str
    trace: str = ""


def each(call: Callable[[Thing], Answer], things: Sequence[Thing]) -> list[Answer | Lost]:
    """What *call* returned for each of *things*, in their order; answers are pickled."""
    running = []
    for thing in things:
        answers, answering = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_answer, args=(answering, call, thing))
        process.start()
        answering.close()  # the one that is left ends with the process
        running.append((process, answers))
    return [_answered(process, answers) for process, answers in running]


def _answer(answering: Connection, call: Callable[[Thing], Answer], thing: Thing) -> None:
    # Ansible's own handlers are for the process that has started this one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        answer: Answer | Lost = call(thing)
    except Exception as error:
        answer = Lost(f"{type(error).__name__}: {error}", traceback.format_exc())
    answering.send(answer)


def _answered(process: BaseProcess, answers: Connection) -> Answer | Lost:
    with answers:
        try:
            answer: Answer | Lost = answers.recv()
        except EOFError:
            process.join()
            return Lost(f"its process ended without an answer (exit status {process.exitcode}).")
    process.join()
    return answer
