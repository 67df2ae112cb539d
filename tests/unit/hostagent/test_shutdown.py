# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the ways to switch off, against real processes that listen to some and not to others."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import pytest

from callao.drivers import Forward
from callao.errors import DriverError
from callao.hostagent.shutdown import shut_down
from callao.instances.stopping import StopPolicy

LISTENER = """
import signal, sys, time
ways = sys.argv[1].split(",")
signal.signal(signal.SIGUSR1, (lambda *_: sys.exit(0)) if "acpi" in ways else signal.SIG_IGN)
signal.signal(signal.SIGUSR2, (lambda *_: sys.exit(0)) if "quit" in ways else signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


class ProcessMachine:
    """A machine that is a process: its power button is SIGUSR1, its quit SIGUSR2."""

    def __init__(self, process: asyncio.subprocess.Process, *, deaf: bool) -> None:
        self.process = process
        self.deaf = deaf

    @property
    def pid(self) -> int:
        return self.process.pid

    async def wait(self) -> int:
        return await self.process.wait()

    async def power_button(self) -> None:
        if self.deaf:
            raise DriverError("the monitor does not answer")
        self.process.send_signal(signal.SIGUSR1)

    async def quit(self) -> None:
        if self.deaf:
            raise DriverError("the monitor does not answer")
        self.process.send_signal(signal.SIGUSR2)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def add_forward(self, forward: Forward) -> None:
        raise DriverError(f"cannot forward {forward}")

    async def remove_forward(self, forward: Forward) -> None:
        raise DriverError(f"cannot forward {forward}")


async def switched_off(listens_to: str, *, deaf: bool = False) -> tuple[str, int | None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LISTENER, listens_to, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    way = await shut_down(ProcessMachine(process, deaf=deaf), None, StopPolicy(acpi=0.5, ssh=0.5, quit=0.5))
    return way, process.returncode


@pytest.mark.parametrize(
    ("listens_to", "way", "status"),
    [("acpi,quit", "acpi", 0), ("quit", "quit", 0), ("nothing", "kill", -signal.SIGKILL)],
)
def test_the_gentlest_way_that_works_is_taken(listens_to: str, way: str, status: int) -> None:
    assert asyncio.run(switched_off(listens_to)) == (way, status)


def test_a_machine_whose_monitor_is_gone_is_killed() -> None:
    began = time.monotonic()
    assert asyncio.run(switched_off("acpi,quit", deaf=True)) == ("kill", -signal.SIGKILL)
    assert time.monotonic() - began < 30
