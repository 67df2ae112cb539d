# SPDX-License-Identifier: GPL-3.0-or-later
"""Is that process still ours? A pid alone proves nothing: pids are reused."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from callao.instances import kernel

_FILE_SLACK = 2.0
"""Seconds by which a pid file may seem older than its process: the two are counted by two clocks."""

_POLL = 0.02
"""Seconds between two looks, where the kernel does not tell of a process's end."""


class Identity(msgspec.Struct, frozen=True):
    """A process, told apart from a later one with the same pid, whatever happens to the host's clock.

    :param started: on the kernel's own clock, see :func:`callao.instances.kernel.start_ticks`.
    :param boot: the boot of the host that it belongs to.
    """

    pid: int
    started: int
    boot: str = ""


def identify(pid: int) -> Identity:
    """The identity of a living process.

    :raises ProcessLookupError: when there is none.
    """
    started = kernel.start_ticks(pid)
    if started is None:
        raise ProcessLookupError(f"no process {pid}")
    return Identity(pid=pid, started=started, boot=kernel.boot_id())


def alive(identity: Identity | None) -> bool:
    """Whether exactly this process lives; a zombie does not."""
    if identity is None or kernel.start_ticks(identity.pid) != identity.started:
        return False
    return identity.boot == kernel.boot_id()


def from_pid_file(path: Path) -> Identity | None:
    """Whom a pid file of an instance's folder names, if that process can have written it.

    It is no younger than the file; or it is for this instance by its command line, since after a step of the
    clock the two times do not compare.
    """
    try:
        pid = int(path.read_text().strip())
        written = path.stat().st_mtime
        identity = identify(pid)
    except (OSError, ValueError, OverflowError):
        return None
    if kernel.epoch(identity.started) <= written + _FILE_SLACK or _is_for(pid, path.parent):
        return identity
    return None


def terminate(identity: Identity | None, sig: signal.Signals) -> None:
    """Signal exactly this process; nothing happens when it is gone.

    :raises PermissionError: when it is another user's.
    """
    if identity is None:
        return
    with contextlib.suppress(ProcessLookupError), _held(identity.pid) as descriptor:
        if not alive(identity):
            return
        if descriptor is None:
            os.kill(identity.pid, sig)
        else:
            signal.pidfd_send_signal(descriptor, sig)


def wait_gone(identity: Identity | None, seconds: float) -> bool:
    """Wait until the process is gone; False when it outlived ``seconds``."""
    deadline = time.monotonic() + seconds
    if identity is None:
        return True
    try:
        with _held(identity.pid) as descriptor:
            while alive(identity):
                left = deadline - time.monotonic()
                if left < 0:
                    return False
                if descriptor is None:
                    time.sleep(_POLL)
                else:
                    poll = select.poll()
                    poll.register(descriptor, select.POLLIN)
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
        descriptor = os.pidfd_open(pid) if sys.platform == "linux" else None
    except ProcessLookupError:
        raise
    except OSError:  # an old kernel, or a sandbox that does not let it through
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _is_for(pid: int, folder: Path) -> bool:
    """Whether a command line names the instance's folder, or is our host agent's for that name."""
    words = kernel.arguments(pid)
    if "callao.hostagent" in words and folder.name in words:
        return True
    places = {f"{folder}/", f"{folder.resolve()}/"}
    return any(place in word for place in places for word in words)
