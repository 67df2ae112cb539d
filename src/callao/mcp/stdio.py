# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves a client over standard input and output."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import ReadStream
from mcp.shared.message import SessionMessage

from callao.mcp.protocol import completed

Message = SessionMessage | Exception


async def serve(server: Server[Any]) -> None:
    """Serve one client, until standard input ends."""
    async with stdio_server() as (incoming, outgoing):
        await server.run(_Tolerant(incoming), outgoing, server.create_initialization_options())


class _Tolerant:
    """The client's messages; Lima's server takes an ``initialize`` that does not tell who the client is."""

    def __init__(self, inner: ReadStream[Message]) -> None:
        self._inner = inner

    async def receive(self) -> Message:
        message = await self._inner.receive()
        request = message.message if isinstance(message, SessionMessage) else None
        if isinstance(request, types.JSONRPCRequest) and request.method == "initialize":
            whole = request.model_copy(update={"params": completed(request.params)})
            return SessionMessage(whole)
        return message

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> _Tolerant:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> _Tolerant:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.aclose()
