# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the server for one guest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from callao.errors import unsupported
from callao.mcp.checkpoints.machine import Discard, Machine
from callao.mcp.connection import Connection
from callao.mcp.guest import Guest
from callao.mcp.http import Listener, bound
from callao.mcp.http import serve as serve_http
from callao.mcp.protocol import server
from callao.mcp.stdio import serve as serve_stdio
from callao.mcp.toolbox import BoundTool, Limits, Toolbox
from callao.mcp.workspace import ToolFailure, Workspace


@dataclass(frozen=True)
class CheckpointSettings:
    """What checkpoints keep: the writable directories of the host, and the machine unless that is None.

    :param folder: where the contents of files are kept while the server runs.
    :param discard: deletes what servers have left.
    """

    shares: tuple[Path, ...]
    machine: Machine | None
    folder: Path
    discard: Discard


@dataclass(frozen=True)
class Service:
    """What is served.

    :param listener: where clients connect; None: one client, on standard input and output.
    :param checkpoints: None: none are made.
    :param tell: shows a message for the user.
    """

    guest: Guest
    workspace: Workspace
    limits: Limits
    tell: Callable[[str], None]
    listener: Listener | None = None
    checkpoints: CheckpointSettings | None = None


def run(service: Service) -> None:
    """Serve until standard input ends, or this process is terminated."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="callao mcp: %(message)s")
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(service))


async def _serve(service: Service) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with _connected(service.guest, service.limits) as connection:
        tools = Toolbox(service.workspace, connection, service.limits).tools()
        async with _checkpointed(tools, connection, service.checkpoints) as all_tools:
            made = server(all_tools, service.workspace.roots)
            if service.listener is None:
                await serve_stdio(made)
                return
            with bound(service.listener) as listening:
                where = service.listener.path or "http://{}:{}/mcp".format(*listening.getsockname()[:2])
                service.tell(f"Serving at {where}.")
                await serve_http(made, service.listener, listening)


@contextlib.asynccontextmanager
async def _connected(guest: Guest, limits: Limits) -> AsyncIterator[Connection]:
    """A connection that opens while the client says hello; a failure is told by the first call."""
    connection = Connection(guest, limits.output)
    opening = asyncio.create_task(_open(connection))
    try:
        yield connection
    finally:
        opening.cancel()
        await connection.close()


async def _open(connection: Connection) -> None:
    with contextlib.suppress(ToolFailure):
        await connection.open()


@contextlib.asynccontextmanager
async def _checkpointed(
    tools: list[BoundTool], connection: Connection, settings: CheckpointSettings | None
) -> AsyncIterator[list[BoundTool]]:
    """The tools, with those for checkpoints where there are any; all checkpoints end with the server."""
    if settings is None:
        yield tools
        return
    if sys.platform == "win32":
        raise unsupported("a checkpoint")
    else:  # mypy reads no imports there that follow a refusal
        from callao.mcp.checkpoints.checkpoints import Checkpoints
        from callao.mcp.checkpoints.claim import claims, new_claim
        from callao.mcp.checkpoints.store import Store
        from callao.mcp.checkpoints.tools import with_checkpoints

        claim = new_claim(settings.folder)
        machine = settings.machine
        checkpoints = Checkpoints(
            settings.shares, Store(claim.files), machine, connection.close, tag_prefix=claim.prefix
        )
        for path in claims(settings.folder):  # of servers that were killed, and of those that run
            if path != claim.path:
                settings.discard.claim(path)
        try:
            yield with_checkpoints(tools, checkpoints)
        finally:
            try:
                await checkpoints.close()
            finally:
                claim.remove_files()
                claim.release()
                settings.discard.claim(claim.path)
