# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops a machine by the gentlest method that works: ACPI, then poweroff over ssh, then quit, then kill."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from callao.drivers import Machine
from callao.instances.stop_policy import StopPolicy
from callao.ssh import Client

QUICK_STOP = StopPolicy(acpi=0.0, ssh=0.0, quit=5.0)
"""For SIGTERM: the guest is not shut down, but the disks are flushed."""

STOP_WHILE_BOOTING = StopPolicy(acpi=15.0, ssh=0.0, quit=10.0)
"""For a guest that is still booting: it may not react to the power button yet."""

_CANCEL_TIMEOUT = 1.0
"""Seconds for a method that is cancelled to clean up."""


async def shut_down(machine: Machine, client: Client | None, policy: StopPolicy) -> str:
    """Stop the machine; ``policy`` has the seconds for each method, and a method with 0 is not tried.

    :param client: None if logins are not possible.
    :returns: the method that worked: ``acpi``, ``ssh``, ``quit`` or ``kill``.
    """
    off = asyncio.ensure_future(machine.wait())
    try:
        if policy.acpi and await _succeeds_within(machine.power_button(), off, policy.acpi):
            return "acpi"
        if policy.ssh and client is not None:
            script = "sudo -n poweroff || sudo -n systemctl poweroff\n"
            if await _succeeds_within(client.run(script, timeout=policy.ssh), off, policy.ssh):
                return "ssh"
        if await _succeeds_within(machine.quit(), off, policy.quit):
            return "quit"
        await machine.kill()
        return "kill"
    finally:
        off.cancel()


async def stop_machine(machine: Machine) -> None:
    """Stop the machine at once; returns when it is off."""
    await shut_down(machine, None, QUICK_STOP)
    await machine.wait()


async def _succeeds_within(
    method: Coroutine[Any, Any, object], off: asyncio.Future[int], seconds: float
) -> bool:
    """Whether a method has stopped the machine within its time, which includes the request: a monitor may
    hang.

    If the request fails, for example because a login is not possible, the next method is tried at once.
    """
    request = asyncio.ensure_future(method)
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        futures: set[asyncio.Future[Any]] = {request, off}
        await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if request.done() and request.exception() is not None and not off.done():
            return False
        remaining = max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.wait({off}, timeout=remaining)
        return off.done()
    finally:
        if not request.done():
            request.cancel()
            await asyncio.wait({request}, timeout=_CANCEL_TIMEOUT)
