# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the server for one guest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from callao.mcp.connection import Connection
from callao.mcp.guest import Guest
from callao.mcp.protocol import server
from callao.mcp.stdio import serve as serve_stdio
from callao.mcp.toolbox import Limits, Toolbox
from callao.mcp.workspace import ToolFailure, Workspace


@dataclass(frozen=True)
class Service:
    """What is served."""

    guest: Guest
    workspace: Workspace
    limits: Limits


def run(service: Service) -> None:
    """Serve one client on standard input and output, until it closes them or this process is terminated."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="callao mcp: %(message)s")
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(service))


async def _serve(service: Service) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with _connected(service.guest) as connection:
        tools = Toolbox(service.workspace, connection, service.limits).tools()
        await serve_stdio(server(tools, service.workspace.roots))


@contextlib.asynccontextmanager
async def _connected(guest: Guest) -> AsyncIterator[Connection]:
    """A connection that opens while the client says hello; a failure is told by the first call."""
    connection = Connection(guest)
    opening = asyncio.create_task(_open(connection))
    try:
        yield connection
    finally:
        opening.cancel()
        await connection.close()


async def _open(connection: Connection) -> None:
    with contextlib.suppress(ToolFailure):
        await connection.open()
