# SPDX-License-Identifier: GPL-3.0-or-later
"""macOS, and the other descendants of BSD as far as psutil knows them. Never run on a Mac yet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal

if sys.platform != "win32":
    from callao.system.posix import (
        account,
        allow_descriptors,
        ignore_hangup,
        kill_signal,
        lock,
        machine,
        memory,
        send_by_pid,
        uid,
        wait_by_looking,
    )

    __all__ = [
        "account",
        "allow_descriptors",
        "arguments",
        "boot_id",
        "cpus",
        "die_with_parent",
        "epoch",
        "ignore_hangup",
        "kill_signal",
        "lock",
        "machine",
        "memory",
        "send",
        "start_ticks",
        "uid",
        "wait_ended",
    ]

    _PROC_PIDTBSDINFO = 3
    """Of macOS's <sys/proc_info.h>, as the next two: the struct's length, and where its start time is."""
    _BSD_INFO_SIZE = 136
    _BSD_START = 120

    def cpus() -> int:
        return os.cpu_count() or 1

    def boot_id() -> str:
        """Start times need none to be told apart: no step of the clock moves them."""
        return ""

    def start_ticks(pid: int) -> int | None:
        """When a process began, in microseconds since the epoch. None for no process; a zombie is none."""
        if pid <= 0:
            return None
        return _noted(pid) if sys.platform == "darwin" else _by_psutil(pid)

    def epoch(ticks: int) -> float:
        """What the host's clock showed at *ticks* of :func:`start_ticks`."""
        return ticks / 1e6

    def arguments(_pid: int) -> list[str]:
        """The kernel does not show a process's command line by a file."""
        return []

    def send(pid: int, sig: signal.Signals, still: Callable[[], bool]) -> None:
        """Signal the process that has the pid, if ``still`` says that it is the one that is meant."""
        send_by_pid(pid, sig, still)

    def wait_ended(_pid: int, seconds: float, still: Callable[[], bool]) -> bool:
        """Wait while ``still`` says that the process lives; False when it outlived ``seconds``."""
        return wait_by_looking(seconds, still)

    def die_with_parent() -> Callable[[], None] | None:
        """The kernel has no such thing: the parent's own clean-up has to do."""
        return None

    def _noted(pid: int) -> int | None:
        """As the kernel noted it at the fork."""
        import ctypes

        info = ctypes.create_string_buffer(_BSD_INFO_SIZE)
        library = ctypes.CDLL("/usr/lib/libproc.dylib")
        said = library.proc_pidinfo(pid, _PROC_PIDTBSDINFO, ctypes.c_uint64(0), info, _BSD_INFO_SIZE)
        if said != len(info):
            return None
        seconds = int.from_bytes(info.raw[_BSD_START : _BSD_START + 8], sys.byteorder)
        return seconds * 10**6 + int.from_bytes(info.raw[_BSD_START + 8 :], sys.byteorder)

    def _by_psutil(pid: int) -> int | None:
        import psutil

        try:
            return int(psutil.Process(pid).create_time() * 1e6)
        except psutil.Error:
            return None
