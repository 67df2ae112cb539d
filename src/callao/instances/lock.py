# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of an instance: one run at a time changes it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from callao.errors import InstanceBusy
from callao.flock import home_lock, ignore_holder

DEFAULT_TIMEOUT = 60.0
"""Default of the seconds to wait for another run that changes the instance."""


@contextlib.contextmanager
def instance_lock(
    name: str, home: Path, timeout: float = DEFAULT_TIMEOUT, notice: Callable[[str], None] = ignore_holder
) -> Iterator[None]:
    """Hold the instance's lock; the kernel frees it when the process ends, however it ends.

    The lock file is outside the instance's folder, so that it outlives a delete.

    :param timeout: seconds to wait for another run to finish.
    :param notice: called with a message about that run, if there is one.
    :raises InstanceBusy: when that run does not end in time.
    """

    def busy(who: str) -> InstanceBusy:
        return InstanceBusy(
            f"instance {name!r} is being changed by another run, {who}; waited {timeout:.0f} s for it.",
            hint="Wait for that run to end, or raise 'timeout'.",
        )

    def waits(who: str) -> None:
        notice(f"instance {name!r} is being changed by another run, {who}: waiting for it.")

    with home_lock(home, name, timeout, busy, waits):
        yield
