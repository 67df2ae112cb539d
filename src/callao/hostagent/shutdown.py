# SPDX-License-Identifier: GPL-3.0-or-later
"""Off, by the gentlest way that works: ACPI, then poweroff over ssh, then quit, then kill."""

from __future__ import annotations

import asyncio
import contextlib

from callao.drivers import Machine
from callao.errors import DriverError
from callao.instances.stopping import StopPolicy
from callao.ssh import Client


async def shut_down(machine: Machine, client: Client | None, policy: StopPolicy) -> str:
    """Switch the machine off; each way gets its time from ``policy``, and one with none is not tried.

    :param client: None while nobody can log in.
    :returns: the way that worked: ``acpi``, ``ssh``, ``quit`` or ``kill``.
    """
    off = asyncio.ensure_future(machine.wait())
    try:
        if policy.acpi:
            with contextlib.suppress(DriverError):
                await machine.power_button()
                if await _within(off, policy.acpi):
                    return "acpi"
        if policy.ssh and client is not None:
            with contextlib.suppress(TimeoutError):
                await client.run("sudo -n poweroff || sudo -n systemctl poweroff\n", timeout=policy.ssh)
            if await _within(off, policy.ssh):
                return "ssh"
        with contextlib.suppress(DriverError):
            await machine.quit()
            if await _within(off, policy.quit):
                return "quit"
        await machine.kill()
        return "kill"
    finally:
        off.cancel()


async def _within(off: asyncio.Future[int], seconds: float) -> bool:
    done, _ = await asyncio.wait({off}, timeout=seconds)
    return bool(done)
