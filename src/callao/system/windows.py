# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows, as far as Python and psutil know it. Only checked by types: a controller is no Windows yet."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio
    import signal
    import socket
    from asyncio import StreamReader, StreamWriter

    Connected = Callable[[StreamReader, StreamWriter], Awaitable[None]]

if sys.platform == "win32":
    import getpass
    import msvcrt
    import os
    import platform
    import time
    from pathlib import Path

    import psutil

    from callao.errors import unsupported

    __all__ = [
        "COPY_OPTIONS",
        "LOGIN_MANAGER",
        "UNIX_PATH_MAX",
        "HangupWatch",
        "accelerator",
        "account",
        "allow_descriptors",
        "arguments",
        "boot_id",
        "cpus",
        "die_with_parent",
        "epoch",
        "hangup_watch",
        "ignore_hangup",
        "interrupt_nobody",
        "kill_signal",
        "lock",
        "machine",
        "memory",
        "open_unix_socket",
        "open_vsock",
        "openers",
        "send",
        "serve_unix_socket",
        "start_ticks",
        "uid",
        "unix_socket",
        "vhost_vsock",
        "wait_ended",
        "write_locked",
    ]

    class HangupWatch(NamedTuple):
        """Of a stream socket: ``descriptor`` is readable when ``hung_up`` has to be asked."""

        descriptor: int
        hung_up: Callable[[], bool]

    _POLL = 0.02
    """Seconds between two looks whether a process has ended."""

    COPY_OPTIONS = ("--reflink=auto", "--sparse=always")
    """Of the cp(1) that is there."""

    LOGIN_MANAGER = ""
    """None that we know."""

    UNIX_PATH_MAX = 108
    """Bytes of a unix socket's path with the closing NUL, see afunix.h."""

    def accelerator() -> tuple[str, str]:
        """QEMU's name of the hypervisor in the kernel, and why it is not there."""
        return "", f"there is no accelerator for {sys.platform}"

    def write_locked(_path: Path, _first: int, _length: int) -> bool:
        """There are no locks of fcntl(2)."""
        return False

    def openers(_path: Path) -> Iterator[int]:
        """The system does not show the files of a process."""
        return iter(())

    @contextlib.contextmanager
    def hangup_watch(descriptor: int) -> Iterator[HangupWatch]:  # noqa: ARG001
        raise unsupported("a unix socket")
        yield  # a generator, as on the other systems

    def vhost_vsock() -> bool:
        return False

    def open_vsock(_cid: int, _port: int, _seconds: float) -> socket.socket:
        raise unsupported("vsock(7)")

    def unix_socket() -> socket.socket:
        raise unsupported("a unix socket")

    async def open_unix_socket(path: Path) -> tuple[StreamReader, StreamWriter]:  # noqa: ARG001
        raise unsupported("a unix socket")

    async def serve_unix_socket(path: Path, connected: Connected) -> asyncio.Server:  # noqa: ARG001
        raise unsupported("a unix socket")

    def machine() -> str:
        """The processor's architecture, as the system calls it."""
        return platform.machine()

    def cpus() -> int:
        return os.cpu_count() or 1

    def memory() -> int:
        """Bytes."""
        return int(psutil.virtual_memory().total)

    def uid() -> int:
        """There are no such numbers, and none that may do all."""
        return 1

    def account() -> tuple[str, int, str, str]:
        """Name, uid, home and comment of the user."""
        return getpass.getuser(), uid(), str(Path.home()), ""

    def boot_id() -> str:
        """Start times need none to be told apart: no step of the clock moves them."""
        return ""

    def start_ticks(pid: int) -> int | None:
        """When a process began, in microseconds since the epoch. None for no process."""
        try:
            return int(psutil.Process(pid).create_time() * 1e6) if pid > 0 else None
        except psutil.Error:
            return None

    def epoch(ticks: int) -> float:
        """What the host's clock showed at *ticks* of :func:`start_ticks`."""
        return ticks / 1e6

    def arguments(pid: int) -> list[str]:
        """A process's command line; empty where the system does not show it."""
        try:
            return list(psutil.Process(pid).cmdline())
        except psutil.Error:
            return []

    def send(pid: int, sig: signal.Signals, still: Callable[[], bool]) -> None:
        """End the process that has the pid, if ``still`` says that it is the one that is meant."""
        if still():
            os.kill(pid, sig)

    def wait_ended(_pid: int, seconds: float, still: Callable[[], bool]) -> bool:
        """Wait while ``still`` says that the process lives; False when it outlived ``seconds``."""
        deadline = time.monotonic() + seconds
        while still():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return True

    def kill_signal() -> signal.Signals:
        """The one that no process can ignore: all end a process there."""
        import signal

        return signal.SIGTERM

    def lock(descriptor: int) -> bool:
        """Lock the first byte of a file; False where another has it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def interrupt_nobody() -> None:
        """There is no such scheduling."""

    def ignore_hangup() -> None:
        """There is none."""

    def allow_descriptors(_wanted: int) -> None:
        """There is no such limit."""

    def die_with_parent() -> Callable[[], None] | None:
        """A child cannot be bound to its parent so."""
        return None
