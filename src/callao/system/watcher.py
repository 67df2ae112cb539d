# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.system.watcher``: kills a process's children when that process has ended, however.

For kernels that do not do so themselves. Each child writes its pid into a pipe before it begins, and the
watcher reads there; the pipe ends with the process that has the other end.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys

from callao import system

_MANY = 256
"""Children, beyond which those that have ended are forgotten."""


@functools.cache
def watcher_of(_pid: int) -> int:
    """The pipe of this process's watcher, which is started when it is first asked for.

    :param _pid: ours: a process that was forked has none of its own yet.
    """
    reading, writing = os.pipe()
    try:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "callao.system.watcher"],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(reading)
    return writing


def watch(descriptor: int) -> dict[int, int]:
    """Read pids until the pipe ends; returns the processes that live then, with their start times."""
    living: dict[int, int] = {}
    rest = b""
    while data := os.read(descriptor, 4096):
        *lines, rest = (rest + data).split(b"\n")
        for pid in (int(line) for line in lines if line.isdigit()):
            ticks = system.start_ticks(pid)
            if ticks is not None:
                living[pid] = ticks
        if len(living) > _MANY:
            living = _alive(living)
    return _alive(living)


def _alive(processes: dict[int, int]) -> dict[int, int]:
    return {pid: ticks for pid, ticks in processes.items() if system.start_ticks(pid) == ticks}


def main() -> int:
    """Returns the process's exit status."""
    for pid in watch(sys.stdin.fileno()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, system.kill_signal())
    return 0


if __name__ == "__main__":
    sys.exit(main())
