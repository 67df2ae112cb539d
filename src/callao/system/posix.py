# SPDX-License-Identifier: GPL-3.0-or-later
"""What Linux and macOS have in common."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio
    import signal
    import socket
    from asyncio import StreamReader, StreamWriter
    from pathlib import Path

    Connected = Callable[[StreamReader, StreamWriter], Awaitable[None]]

_POLL = 0.02
"""Seconds between two looks whether a process has ended."""

if sys.platform != "win32":
    import fcntl

    class HangupWatch(NamedTuple):
        """Of a stream socket: ``descriptor`` is readable when ``hung_up`` has to be asked."""

        descriptor: int
        hung_up: Callable[[], bool]

    def machine() -> str:
        """The processor's architecture, as the system calls it."""
        return os.uname().machine

    def memory() -> int:
        """Bytes."""
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def uid() -> int:
        """Whom we act as; 0 may do all."""
        return os.geteuid()

    def account() -> tuple[str, int, str, str]:
        """Name, uid, home and comment of the user, as the passwd database has them."""
        import pwd

        number = os.getuid()
        try:
            entry = pwd.getpwuid(number)
        except KeyError:
            # As in a container that is run under any number.
            name = os.environ.get("USER") or os.environ.get("LOGNAME") or f"user{number}"
            return name, number, os.environ.get("HOME") or "/", ""
        return entry.pw_name, entry.pw_uid, entry.pw_dir, entry.pw_gecos.split(",")[0]

    def lock(descriptor: int) -> bool:
        """Take flock(2) of a file; False where another has it. The kernel frees it when its holder ends."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unix_socket() -> socket.socket:
        """A stream socket of unix(7)."""
        import socket  # 10 ms that the usual stop and delete need not take

        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    async def open_unix_socket(path: Path) -> tuple[StreamReader, StreamWriter]:
        """A connection to who listens on a unix socket."""
        import asyncio

        return await asyncio.open_unix_connection(str(path))

    async def serve_unix_socket(path: Path, connected: Connected) -> asyncio.Server:
        """Listen on a new unix socket."""
        import asyncio

        return await asyncio.start_unix_server(connected, path=str(path))

    def ignore_hangup() -> None:
        """Outlive the terminal that we were started from."""
        import signal

        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def allow_descriptors(wanted: int) -> None:
        """Have at least so many open files, as far as the host lets us."""
        import resource

        soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        if soft < allowed:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))

    def kill_signal() -> signal.Signals:
        """The one that no process can ignore."""
        import signal

        return signal.SIGKILL

    def send_by_pid(pid: int, sig: signal.Signals, still: Callable[[], bool]) -> None:
        """As :func:`callao.system.send`, where there are no descriptors of processes."""
        if still():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)

    def wait_by_looking(seconds: float, still: Callable[[], bool]) -> bool:
        """As :func:`callao.system.wait_ended`, where the kernel does not tell of a process's end."""
        deadline = time.monotonic() + seconds
        while still():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return True
