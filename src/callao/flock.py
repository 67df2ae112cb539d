# SPDX-License-Identifier: GPL-3.0-or-later
"""Exclusive locks by flock(2): one process at a time. Quick to import.

It is a flock(2); the kernel frees it when its holder ends, in any way.
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
"""Seconds between two tries: flock(2) has no timeout."""

_SILENT_WAIT = 0.5
"""Seconds of waiting that nobody needs to hear of."""

_MAX_HOLDER_LENGTH = 200
"""Bytes of what a holder says of itself."""


def ignore_holder(_who: str) -> None:
    """For who does not want to hear."""


@contextlib.contextmanager
def exclusive(
    lock: Path,
    timeout: float,
    busy: Callable[[str], Exception],
    waits: Callable[[str], None] = ignore_holder,
) -> Iterator[None]:
    """Hold the lock; its folder must be there.

    :param timeout: seconds to wait for another holder.
    :param busy: the error to raise when that does not end in time, of its name, as in
        "pid 17 (callao start web)".
    :param waits: told that name once, of whom is waited for.
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
