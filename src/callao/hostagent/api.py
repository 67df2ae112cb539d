# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP on ha.sock: a small JSON interface for whoever may read the instance's folder."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import h11
import msgspec

from callao.errors import CallaoError

Call = Callable[[], Awaitable[object]]
Routes = Mapping[tuple[str, str], Call]
"""(method, path) -> what answers it; the answer is sent as JSON."""

_BODY_LIMIT = 1 << 20


async def serve(path: Path, routes: Routes) -> asyncio.Server:
    """Listen on the unix socket ``path``, mode 0600; the caller closes the server."""
    path.unlink(missing_ok=True)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _converse(reader, writer, routes)
        except (OSError, h11.ProtocolError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_unix_server(connected, path=str(path))
    path.chmod(0o600)
    return server


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, routes: Routes) -> None:
    """One request a connection: callers are few and short."""
    http = h11.Connection(h11.SERVER)
    request: h11.Request | None = None
    size = 0
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            size += len(event.data)
            if size > _BODY_LIMIT:
                return
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            return
    assert request is not None
    status, body = await _answer(request.method.decode(), request.target.decode(), routes)
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    for reply in (
        h11.Response(status_code=status, headers=headers),
        h11.Data(data=body),
        h11.EndOfMessage(),
    ):
        writer.write(http.send(reply) or b"")
    await writer.drain()


async def _answer(method: str, target: str, routes: Routes) -> tuple[int, bytes]:
    path = target.partition("?")[0]
    call = routes.get((method, path))
    if call is None:
        known = sorted(verb for verb, at in routes if at == path)
        if known:
            return 405, _error(f"{method} {path}: not allowed (allowed: {', '.join(known)})")
        return 404, _error(f"{path}: no such path (known: {', '.join(sorted({at for _, at in routes}))})")
    try:
        return 200, msgspec.json.encode(await call())
    except CallaoError as error:
        return 409, _error(str(error))


def _error(message: str) -> bytes:
    return msgspec.json.encode({"message": message})
