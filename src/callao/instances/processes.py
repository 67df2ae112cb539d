# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks, signals and waits for processes, each distinguished from a later one with the same pid.

Quick to import: nothing here needs msgspec, see :mod:`callao.instances.process_identity`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from callao import system

if TYPE_CHECKING:
    import signal

_FILE_SLACK = 2.0
"""Seconds by which a pid file may seem older than its process, because their times come from two clocks."""


class ProcessLike(Protocol):
    """What identifies a process, see :class:`callao.instances.process_identity.ProcessIdentity`."""

    @property
    def pid(self) -> int: ...

    @property
    def started(self) -> int: ...

    @property
    def boot(self) -> str: ...


class Process(NamedTuple):
    """The same without msgspec, so that it cannot be read from or written to a file."""

    pid: int
    started: int
    boot: str = ""


def process_of(pid: int) -> Process:
    """The running process that has the pid now.

    :raises ProcessLookupError: when there is none.
    """
    started = system.start_ticks(pid)
    if started is None:
        raise ProcessLookupError(f"no process {pid}")
    return Process(pid, started, system.boot_id())


def process_from_pid_file(path: Path) -> Process | None:
    """The process that a pid file in an instance's folder names, if it is not a later one with the same pid.

    It must not be younger than the file, or its command line must name the instance, because the two times
    cannot be compared after a step of the clock.
    """
    try:
        pid = int(path.read_text().strip())
        written = path.stat().st_mtime
        process = process_of(pid)
    except (OSError, ValueError, OverflowError):
        return None
    if system.epoch(process.started) <= written + _FILE_SLACK or _command_names_folder(pid, path.parent):
        return process
    return None


def alive(process: ProcessLike | None) -> bool:
    """Whether exactly this process runs; a zombie does not."""
    if process is None or system.start_ticks(process.pid) != process.started:
        return False
    return process.boot == system.boot_id()


def terminate(process: ProcessLike | None, sig: signal.Signals) -> None:
    """Signal exactly this process; nothing happens when it is gone.

    :raises PermissionError: when it is another user's.
    """
    if process is not None:
        system.send(process.pid, sig, lambda: alive(process))


def wait_gone(process: ProcessLike | None, seconds: float) -> bool:
    """Wait until the process is gone; False when it still runs after ``seconds``."""
    return process is None or system.wait_ended(process.pid, seconds, lambda: alive(process))


def _command_names_folder(pid: int, folder: Path) -> bool:
    """Whether a command line names the instance's folder, or is our host agent's for that name."""
    words = system.arguments(pid)
    if "callao.hostagent" in words and folder.name in words:
        return True
    places = {f"{folder}/", f"{folder.resolve()}/"}
    return any(place in word for place in places for word in words)
