# SPDX-License-Identifier: GPL-3.0-or-later
"""macOS, and the other descendants of BSD as far as psutil knows them. Never run on a Mac yet."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    import socket
    from pathlib import Path

if sys.platform != "win32":
    from callao.errors import unsupported
    from callao.system.posix import (
        HangupWatch,
        account,
        allow_descriptors,
        ignore_hangup,
        kill_signal,
        lock,
        machine,
        memory,
        open_unix_socket,
        send_by_pid,
        serve_unix_socket,
        uid,
        unix_socket,
        wait_by_looking,
    )

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

    _PROC_PIDTBSDINFO = 3
    """Of macOS's <sys/proc_info.h>, as the next two: the struct's length, and where its start time is."""
    _BSD_INFO_SIZE = 136
    _BSD_START = 120

    _LARGEST_LOW_WATER = 2**30
    """Bytes."""

    COPY_OPTIONS = ("-c",)
    """Of cp(1): a clone, see clonefile(2)."""

    LOGIN_MANAGER = "launchd"
    """What starts programs when a user logs in."""

    UNIX_PATH_MAX = 104
    """Bytes of a unix socket's path with the closing NUL, see unix(4)."""

    def accelerator() -> tuple[str, str]:
        """QEMU's name of the hypervisor in the kernel, and why it is not there: empty where it is."""
        return (
            ("hvf", "") if sys.platform == "darwin" else ("", f"there is no accelerator for {sys.platform}")
        )

    def write_locked(_path: Path, _first: int, _length: int) -> bool:
        """QEMU's locks belong to open files there, of which the kernel tells nobody else."""
        return False

    def openers(path: Path) -> Iterator[int]:
        """The pids of our user's processes that have a file open."""
        import psutil

        wanted = path.stat()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if any(_is_same(each.path, wanted) for each in process.open_files()):
                    yield process.pid

    def _is_same(path: str, wanted: os.stat_result) -> bool:
        try:
            return os.path.samestat(os.stat(path), wanted)  # noqa: PTH116 - a text, of many
        except OSError:
            return False

    @contextlib.contextmanager
    def hangup_watch(descriptor: int) -> Iterator[HangupWatch]:
        """Watches whether the other end of a stream socket is closed, without reading from it.

        The low-water mark, which the kernel caps to its buffer, keeps data from waking us.
        """
        import select

        if sys.platform == "linux":
            raise unsupported("kqueue(2)")
        with contextlib.closing(select.kqueue()) as queue:
            flags = select.KQ_EV_ADD | select.KQ_EV_CLEAR
            change = select.kevent(
                descriptor, select.KQ_FILTER_READ, flags, select.KQ_NOTE_LOWAT, _LARGEST_LOW_WATER
            )
            queue.control([change], 0)
            yield HangupWatch(
                queue.fileno(),
                lambda: any(each.flags & select.KQ_EV_EOF for each in queue.control(None, 1, 0)),
            )

    def vhost_vsock() -> bool:
        """The kernel has none: vfkit and krunkit lead unix sockets there."""
        return False

    def open_vsock(_cid: int, _port: int, _seconds: float) -> socket.socket:
        raise unsupported("vsock(7)")

    def cpus() -> int:
        return os.cpu_count() or 1

    def interrupt_nobody() -> None:
        """There is no such scheduling."""

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

    def arguments(pid: int) -> list[str]:
        """A process's command line; empty where the kernel does not show it."""
        import psutil

        try:
            return list(psutil.Process(pid).cmdline())
        except (psutil.Error, OSError):
            return []

    def send(pid: int, sig: signal.Signals, still: Callable[[], bool]) -> None:
        """Signal the process that has the pid, if ``still`` says that it is the one that is meant."""
        send_by_pid(pid, sig, still)

    def wait_ended(_pid: int, seconds: float, still: Callable[[], bool]) -> bool:
        """Wait while ``still`` says that the process lives; False when it outlived ``seconds``."""
        return wait_by_looking(seconds, still)

    def die_with_parent() -> Callable[[], None]:
        """A ``preexec_fn``: a process that watches this one kills the child when this one ends."""
        from callao.system.watcher import watcher_of

        pipe = watcher_of(os.getpid())

        def bind() -> None:
            os.write(pipe, b"%d\n" % os.getpid())

        return bind

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
            process = psutil.Process(pid)
            return int(process.create_time() * 1e6) if process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None
