# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux.

The epoch start times that psutil gives of processes are computed from btime in /proc/stat, which moves with
each step of the clock (NTP, WSL, a resume): one process has another one after it. So the kernel's own are
taken.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    import socket

if sys.platform == "linux":
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

    _NO_PROCESS = ("Z", "X", "x")
    """States of proc(5) in which a process has ended."""

    _PR_SET_PDEATHSIG = 1
    """prctl(2)."""

    COPY_OPTIONS = ("--reflink=auto", "--sparse=always")
    """Of cp(1): blocks are shared where the file system can, and holes stay."""

    LOGIN_MANAGER = "systemd"
    """What starts programs when a user logs in."""

    UNIX_PATH_MAX = 108
    """Bytes of a unix socket's path with the closing NUL, see unix(7)."""

    _FLOCK = "@hhqqi4x"
    """``struct flock`` of 64-bit Linux: type, whence, start, length, pid."""

    def accelerator() -> tuple[str, str]:
        """QEMU's name of the hypervisor in the kernel, and why it is not there: empty where it is."""
        return "kvm", "" if Path("/dev/kvm").exists() else "there is no /dev/kvm"

    def write_locked(path: Path, first: int, length: int) -> bool:
        """Whether a lock of fcntl(2) on these bytes of a file excludes one to write."""
        import fcntl
        import struct

        try:
            with path.open("rb") as file:
                asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
                said = fcntl.fcntl(file, fcntl.F_GETLK, asked)
        except OSError:
            return False
        return bool(struct.unpack(_FLOCK, said)[0] != fcntl.F_UNLCK)

    def openers(path: Path) -> Iterator[int]:
        """The pids of our user's processes that have a file open."""
        wanted = path.stat()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if any(_is_open_as(descriptor, wanted) for descriptor in (process / "fd").iterdir()):
                    yield int(process.name)

    def _is_open_as(descriptor: Path, wanted: os.stat_result) -> bool:
        try:
            return os.path.samestat(descriptor.stat(), wanted)
        except OSError:
            return False

    @contextlib.contextmanager
    def hangup_watch(descriptor: int) -> Iterator[HangupWatch]:
        """Watches whether the other end of a stream socket is closed, without reading from it."""
        import select

        with select.epoll() as poll:
            poll.register(descriptor, select.EPOLLRDHUP)
            yield HangupWatch(poll.fileno(), lambda: bool(poll.poll(0)))

    def vhost_vsock() -> bool:
        """Whether this user's machines can have a device of vsock(7), see vhost's documentation."""
        return os.access("/dev/vhost-vsock", os.R_OK | os.W_OK)

    def open_vsock(cid: int, port: int, seconds: float) -> socket.socket:
        """A connection to who listens in a machine."""
        import socket

        peer = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        try:
            peer.settimeout(seconds)
            peer.connect((cid, port))
            peer.settimeout(None)
        except BaseException:
            peer.close()
            raise
        return peer

    def cpus() -> int:
        """Those that this process may use."""
        return len(os.sched_getaffinity(0))

    def interrupt_nobody() -> None:
        """Have this process, and those that it starts, begin to run only when a CPU is free or another
        process has had its turn: what comes meanwhile is done at once (SCHED_BATCH, sched(7))."""
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))

    def boot_id() -> str:
        """Names this boot of the host, see proc(5)."""
        try:
            return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return ""

    def start_ticks(pid: int) -> int | None:
        """When a process began, in clock ticks since the boot. None for no process; a zombie is none.

        See proc(5), /proc/PID/stat: the state is field 3, starttime 22; a name may contain anything.
        """
        if pid <= 0:
            return None
        try:
            said = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        if said[0].decode() in _NO_PROCESS and not _has_threads(pid):
            return None
        return int(said[19])

    def epoch(ticks: int) -> float:
        """What the host's clock, as it is set now, would have shown at *ticks* of :func:`start_ticks`."""
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return booted + ticks / os.sysconf("SC_CLK_TCK")

    def arguments(pid: int) -> list[str]:
        """A process's command line; empty where the kernel does not show it."""
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
        except OSError:
            return []

    def send(pid: int, sig: signal.Signals, still: Callable[[], bool]) -> None:
        """Signal the process that has the pid, if ``still`` says that it is the one that is meant.

        Nothing happens when there is none.

        :raises PermissionError: when it is another user's.
        """
        with contextlib.suppress(ProcessLookupError), _held(pid) as descriptor:
            if descriptor is None:
                send_by_pid(pid, sig, still)
            elif still():
                from signal import pidfd_send_signal  # whoever has a signal to send has it loaded

                pidfd_send_signal(descriptor, sig)

    def wait_ended(pid: int, seconds: float, still: Callable[[], bool]) -> bool:
        """Wait while ``still`` says that the process lives; False when it outlived ``seconds``."""
        import select

        deadline = time.monotonic() + seconds
        try:
            with _held(pid) as descriptor:
                if descriptor is None:
                    return wait_by_looking(seconds, still)
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                while still():
                    left = deadline - time.monotonic()
                    if left < 0:
                        return False
                    poll.poll(left * 1000 + 1)
        except ProcessLookupError:
            return True
        return True

    @contextlib.contextmanager
    def _held(pid: int) -> Iterator[int | None]:
        """A descriptor of whoever has the pid now: as long as it is open, no other process is meant by it.

        None where the kernel has none.

        :raises ProcessLookupError: when nobody has it.
        """
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            raise
        except OSError:  # an old kernel, or a sandbox that does not let it through
            yield None
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def die_with_parent() -> Callable[[], None]:
        """A ``preexec_fn``: the kernel kills the child when the thread that forked it ends.

        Fork from the main thread: it ends last.
        """
        import ctypes  # loaded before any fork: a child between fork and exec must not
        import signal

        library, parent = ctypes.CDLL(None), os.getpid()

        def bind() -> None:
            library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # it ended between the fork and our request: no signal will come
                os._exit(1)

        return bind

    def _has_threads(pid: int) -> bool:
        """Whether any but the first lives: that one may be a zombie before the others are gone, and with
        them what all share, as files, locks and sockets."""
        try:
            return len(os.listdir(f"/proc/{pid}/task")) > 1  # noqa: PTH208 - as quick as can be
        except OSError:
            return False
