# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of a process: when it began, on a clock that nobody sets.

The epoch start times that psutil gives on Linux are computed from btime in /proc/stat, which moves with each
step of the clock (NTP, WSL, a resume): one process has another one after it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

_NO_PROCESS = ("Z", "X", "x")
"""States of proc(5) in which a process has ended."""

_PROC_PIDTBSDINFO = 3
"""Of macOS's <sys/proc_info.h>, as the next two: the struct's length, and where its start time is."""
_BSD_INFO_SIZE = 136
_BSD_START = 120


def boot_id() -> str:
    """Names this boot of the host, see proc(5); empty where start times need none to be told apart."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """When a process began: clock ticks since the boot on Linux, elsewhere microseconds since the epoch as
    they were noted then. None for no process; a zombie is none.
    """
    if pid <= 0:
        return None
    if sys.platform == "linux":
        return _linux_ticks(pid)
    return _darwin_microseconds(pid) if sys.platform == "darwin" else _other_microseconds(pid)


def epoch(ticks: int) -> float:
    """What the host's clock, as it is set now, would have shown at *ticks* of :func:`start_ticks`."""
    if sys.platform != "linux":
        return ticks / 1e6
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def arguments(pid: int) -> list[str]:
    """A process's command line; empty where the kernel does not show it."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        return []


def _linux_ticks(pid: int) -> int | None:
    """See proc(5), /proc/PID/stat: the state is field 3, starttime 22; a name may contain anything."""
    try:
        said = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if said[0].decode() in _NO_PROCESS and not _has_threads(pid):
        return None
    return int(said[19])


def _has_threads(pid: int) -> bool:
    """Whether any but the first lives: that one may be a zombie before the others are gone, and with them
    what all share, as files, locks and sockets."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1  # noqa: PTH208 - as quick as can be
    except OSError:
        return False


def _darwin_microseconds(pid: int) -> int | None:
    """The kernel notes the time at the fork, and no step of the clock changes it. A zombie has none."""
    import ctypes  # what it takes to load, no start on Linux pays

    info = ctypes.create_string_buffer(_BSD_INFO_SIZE)
    library = ctypes.CDLL("/usr/lib/libproc.dylib")
    if library.proc_pidinfo(pid, _PROC_PIDTBSDINFO, ctypes.c_uint64(0), info, _BSD_INFO_SIZE) != len(info):
        return None
    seconds = int.from_bytes(info.raw[_BSD_START : _BSD_START + 8], sys.byteorder)
    return seconds * 10**6 + int.from_bytes(info.raw[_BSD_START + 8 :], sys.byteorder)


def _other_microseconds(pid: int) -> int | None:
    import psutil

    try:
        return int(psutil.Process(pid).create_time() * 1e6)
    except psutil.Error:
        return None
