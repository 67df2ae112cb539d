# SPDX-License-Identifier: GPL-3.0-or-later
"""Off, by the gentlest way that works: ACPI, then poweroff over ssh, then quit, then kill."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from callao.drivers import Machine
from callao.instances.stop_policy import StopPolicy
from callao.ssh import Client

QUICK = StopPolicy(acpi=0.0, ssh=0.0, quit=5.0)
"""For SIGTERM: no time for the guest, but the disks are flushed."""

UNREADY = StopPolicy(acpi=15.0, ssh=0.0, quit=10.0)
"""For a guest that is still booting: it may not hear the power button yet."""

_LAST = 1.0
"""Seconds for a way that is given up to clean up after itself."""


async def shut_down(machine: Machine, client: Client | None, policy: StopPolicy) -> str:
    """Switch the machine off; each way gets its time from ``policy``, and one with none is not tried.

    :param client: None while nobody can log in.
    :returns: the way that worked: ``acpi``, ``ssh``, ``quit`` or ``kill``.
    """
    off = asyncio.ensure_future(machine.wait())
    try:
        if policy.acpi and await _tried(machine.power_button(), off, policy.acpi):
            return "acpi"
        if policy.ssh and client is not None:
            script = "sudo -n poweroff || sudo -n systemctl poweroff\n"
            if await _tried(client.run(script, timeout=policy.ssh), off, policy.ssh):
                return "ssh"
        if await _tried(machine.quit(), off, policy.quit):
            return "quit"
        await machine.kill()
        return "kill"
    finally:
        off.cancel()


async def end_machine(machine: Machine) -> None:
    """Switch it off at once; returns when it is."""
    await shut_down(machine, None, QUICK)
    await machine.wait()


async def _tried(way: Coroutine[Any, Any, object], off: asyncio.Future[int], seconds: float) -> bool:
    """Whether one way has worked in its time, of which asking takes part: a monitor may hang.

    A way that cannot be gone leaves the time to the next: no login any more, no ssh, no room for a process.
    """
    asking = asyncio.ensure_future(way)
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        both: set[asyncio.Future[Any]] = {asking, off}
        await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if asking.done() and asking.exception() is not None and not off.done():
            return False
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.wait({off}, timeout=left)
        return off.done()
    finally:
        if not asking.done():
            asking.cancel()
            await asyncio.wait({asking}, timeout=_LAST)
