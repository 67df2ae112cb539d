# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP server with JSON bodies on ha.sock, for processes that may access the instance's folder."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import h11
import msgspec

from callao import system
from callao.errors import AgentError, CallaoError


@dataclass(frozen=True)
class Request:
    """The parameters of a request: the query's values, and the body decoded from JSON."""

    query: Mapping[str, str]
    body: Any = None

    def text(self, key: str) -> str:
        """A value of the query, or otherwise of the body.

        :raises AgentError: when it is missing.
        """
        value = self.query.get(key)
        if value is None and isinstance(self.body, dict):
            value = self.body.get(key)
        if not isinstance(value, str) or not value:
            raise AgentError(f"{key}: {value!r} is not a text (allowed: one that isn't empty).")
        return value


class Content(NamedTuple):
    """An answer that is sent as it is, in place of JSON."""

    media_type: str
    data: bytes


Handler = Callable[[Request], Awaitable[object]]
Routes = Mapping[tuple[str, str], Handler]
"""(method, path) -> handler, whose return value is sent as JSON, and a :class:`Content` as it is."""

_BODY_LIMIT = 1 << 20


async def serve(path: Path, routes: Routes) -> asyncio.Server:
    """Listen on the unix socket ``path``, mode 0600; the caller closes the server."""
    path.unlink(missing_ok=True)

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve_connection(reader, writer, routes)
        except (OSError, h11.ProtocolError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await system.serve_unix_socket(path, on_connection)
    path.chmod(0o600)
    return server


async def _serve_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, routes: Routes
) -> None:
    """Serve one request; each connection has one."""
    http = h11.Connection(h11.SERVER)
    request: h11.Request | None = None
    body = b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
            if len(body) > _BODY_LIMIT:
                return
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            return
    assert request is not None
    status, answer = await _dispatch(request.method.decode(), request.target.decode(), body, routes)
    headers = [
        ("Content-Type", answer.media_type),
        ("Content-Length", str(len(answer.data))),
        ("Connection", "close"),
    ]
    for reply in (
        h11.Response(status_code=status, headers=headers),
        h11.Data(data=answer.data),
        h11.EndOfMessage(),
    ):
        writer.write(http.send(reply) or b"")
    await writer.drain()


async def _dispatch(method: str, target: str, body: bytes, routes: Routes) -> tuple[int, Content]:
    path, _, query = target.partition("?")
    handler = routes.get((method, path))
    if handler is None:
        allowed = sorted(each_method for each_method, route_path in routes if route_path == path)
        if allowed:
            return 405, _error(f"{method} {path}: not allowed (allowed: {', '.join(allowed)})")
        return 404, _error(
            f"{path}: no such path (known: {', '.join(sorted({route_path for _, route_path in routes}))})"
        )
    try:
        request = Request(dict(parse_qsl(query)), msgspec.json.decode(body) if body else None)
    except (ValueError, RecursionError):  # RecursionError: deeply nested JSON
        return 400, _error(f"{method} {path}: the body is no JSON")
    try:
        result = await handler(request)
        return 200, result if isinstance(result, Content) else _json(result)
    except CallaoError as error:
        return 409, _error(str(error))
    except Exception as error:  # a programming error: reported to the caller, and to the log
        traceback.print_exc()
        return 500, _error(f"{method} {path}: {type(error).__name__}: {error}")


def _error(message: str) -> Content:
    return _json({"message": message})


def _json(value: object) -> Content:
    return Content("application/json", msgspec.json.encode(value))
