# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time for each instance."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from callao.errors import InstanceBusy

PATIENCE = 60.0
"""Seconds to wait for another run that changes the instance, where nobody said how long."""

_POLL = 0.02
"""Seconds between two tries: flock(2) has no timeout."""


@contextlib.contextmanager
def locked(name: str, home: Path, timeout: float = PATIENCE) -> Iterator[None]:
    """Hold the instance's lock; the kernel frees it when the process ends, however it ends.

    The lock lies beside the instances, not in one, so that it outlives a delete. It is a flock(2), as the
    package filelock takes it: importing that one costs a quick command more than all the rest.

    :param timeout: seconds to wait for another run to finish.
    :raises InstanceBusy: when it doesn't.
    """
    folder = home / "_locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while not _taken(descriptor):
            if time.monotonic() > deadline:
                raise InstanceBusy(
                    f"instance {name!r} is being changed by another run; waited {timeout:.0f} s for it.",
                    hint="Wait for that run to end, or raise 'timeout'.",
                )
            time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
