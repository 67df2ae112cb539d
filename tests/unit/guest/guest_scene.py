# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's program as a process, and the host's end of its connection as the agent has it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from guest_program import program
from support.waiting import PATIENCE, until

from callao.hostagent.channel.guest_link import GuestLink
from callao.hostagent.ports.forwarders import AgentForwarder
from callao.ports import WantedForward, any_free


@dataclass
class Scene:
    link: GuestLink
    agent: AgentForwarder

    @contextlib.asynccontextmanager
    async def forward(
        self, port: int, proto: str = "tcp", guest_ip: str = "127.0.0.1", host_ip: str = "127.0.0.1"
    ) -> AsyncIterator[int]:
        wanted = WantedForward(proto, host_ip, any_free(proto, host_ip), guest_ip, port)
        await self.agent.open(wanted)
        try:
            yield wanted.host_port
        finally:
            await self.agent.close(wanted)


def with_guest(folder: Path, work: Callable[[Scene], Awaitable[None]], python: str = sys.executable) -> None:
    async def run(path: Path) -> None:
        async with linked(path) as scene, asyncio.timeout(PATIENCE):
            await work(scene)

    with program(folder, python=python) as running:
        asyncio.run(run(running.path))


def without_guest(folder: Path) -> GuestLink:
    return GuestLink(partial(asyncio.open_unix_connection, folder / "nobody.sock"), {})


@contextlib.asynccontextmanager
async def linked(path: Path) -> AsyncIterator[Scene]:
    link = GuestLink(partial(asyncio.open_unix_connection, path), {})
    link.start()
    await until(lambda: link.connected)
    try:
        yield Scene(link, AgentForwarder(link.multiplexer, path.parent))
    finally:
        await link.close()
