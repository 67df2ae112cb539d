# SPDX-License-Identifier: GPL-3.0-or-later
"""Exclusive locks between processes by flock(2); the kernel releases them when the holder ends or is killed.

Quick commands import this module.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from callao import system
from callao.printable import printable

_POLL_INTERVAL = 0.02
"""Seconds between two attempts: flock(2) has no timeout."""

_SILENT_WAIT = 0.5
"""Seconds to wait before the user is told whom the process waits for."""

_MAX_HOLDER_LENGTH = 200
"""Bytes of the holder's description in the lock file that are read."""


def ignore_holder(_who: str) -> None:
    """The callback for callers that do not tell the user about waiting."""


@contextlib.contextmanager
def exclusive(
    lock: Path,
    timeout: float,
    busy: Callable[[str], Exception],
    waits: Callable[[str], None] = ignore_holder,
) -> Iterator[None]:
    """Hold the lock during the block; the lock file's folder must exist.

    :param timeout: seconds to wait while another process holds the lock.
    :param busy: makes the error to raise after ``timeout``, from the holder's description, such as
        "pid 17 (callao start web)".
    :param waits: called once with the holder's description when waiting takes a while.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(descriptor, timeout, busy, waits)
        with contextlib.suppress(OSError):  # a full disk: others will not know who
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, _command_line())
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def home_lock(
    home: Path,
    name: str,
    timeout: float,
    busy: Callable[[str], Exception],
    waits: Callable[[str], None] = ignore_holder,
) -> Iterator[None]:
    """The same for a lock of a ``LIMA_HOME``, which lies beside what it is for and outlives it.

    :param name: an instance's; others begin with ``_``, as no instance's name does.
    """
    folder = home / "_locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(folder / f"{name}.lock", timeout, busy, waits):
        yield


def _wait(
    descriptor: int, timeout: float, busy: Callable[[str], Exception], waits: Callable[[str], None]
) -> None:
    began, told = time.monotonic(), False
    while not system.lock(descriptor):
        waited = time.monotonic() - began
        if waited > timeout:
            raise busy(_holder(descriptor))
        if waited > _SILENT_WAIT and not told:
            told = True
            waits(_holder(descriptor))
        time.sleep(_POLL_INTERVAL)


def _command_line() -> bytes:
    """The command, and what it is about; not its options, whose values may be secrets: this stays on the
    disk, and others tell it.
    """
    words = [os.path.basename(sys.argv[0])]  # noqa: PTH119 - pathlib is slow here
    for word in sys.argv[1:]:
        if not word.startswith("-"):
            words.append(word)
        elif "=" not in word:  # its value may be the next
            break
    return f"pid {os.getpid()} ({' '.join(words)})".encode(errors="replace")[:_MAX_HOLDER_LENGTH]


def _holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    said = os.read(descriptor, _MAX_HOLDER_LENGTH).decode(errors="replace")
    return printable(said.partition("\n")[0]) or "another process"
