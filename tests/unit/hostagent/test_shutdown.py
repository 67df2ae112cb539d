# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the ways to switch off, against real processes that listen to some and not to others."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from callao.errors import DriverError
from callao.hostagent.shutdown import shut_down
from callao.instances.stop_policy import StopPolicy
from callao.ssh import Client
from callao.ssh.client import CommandResult

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

    async def channel(self) -> Any:
        raise ConnectionRefusedError


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


class HangingMachine(ProcessMachine):
    """Its monitor takes what it is told, and never answers."""

    async def power_button(self) -> None:
        await asyncio.sleep(3600)

    async def quit(self) -> None:
        await asyncio.sleep(3600)


class NoSsh(Client):
    """A host that can start no ssh."""

    async def run(self, script: str, timeout: float, interpreter: str = "/bin/sh") -> CommandResult:
        raise OSError(errno.EAGAIN, "no more processes")


@pytest.mark.parametrize("listens_to", ["quit", "nothing"])
def test_a_way_that_cannot_be_gone_leads_to_the_next(listens_to: str) -> None:
    async def play() -> tuple[str, str]:
        ways = []
        for kind in (HangingMachine, ProcessMachine):
            argv = [sys.executable, "-c", LISTENER, listens_to]
            process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
            assert process.stdout is not None
            await process.stdout.readline()
            client = NoSsh(Path("/none"), "none", Path("/none"))
            policy = StopPolicy(acpi=0.3, ssh=0.3, quit=0.3)
            ways.append(await shut_down(kind(process, deaf=False), client, policy))
        return ways[0], ways[1]

    hanging, hearing = asyncio.run(asyncio.wait_for(play(), 60))
    assert hanging == "kill"
    assert hearing == ("quit" if listens_to == "quit" else "kill")


def test_a_machine_whose_monitor_is_gone_is_killed() -> None:
    began = time.monotonic()
    assert asyncio.run(switched_off("acpi,quit", deaf=True)) == ("kill", -signal.SIGKILL)
    assert time.monotonic() - began < 30
