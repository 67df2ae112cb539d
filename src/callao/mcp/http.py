# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves clients by streamable HTTP, on a unix socket or a port of the loopback interface."""

from __future__ import annotations

import contextlib
import hmac
import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from callao.errors import CallaoError
from callao.instances.in_use import is_listening
from callao.ports import join_host_port
from callao.system import unix_socket

PATH = "/mcp"
_MAX_BODY = 40 << 20
"""Bytes of a request: a file that is written, as JSON."""

_MAX_REFUSED_BODY = 64 << 10
_MAX_SESSIONS = 64
_MIN_TOKEN = 16
"""Characters of a token."""


@dataclass(frozen=True)
class Listener:
    """``path`` of a unix socket, or else a port of an address of the loopback interface.

    :param token: what clients have to send; empty: nothing, which only a unix socket allows.
    """

    path: Path | None = None
    address: str = "127.0.0.1"
    port: int = 0
    token: str = ""


def listener_of(text: str, token_file: Path | None) -> Listener:
    """From ``unix:PATH`` or ``ADDRESS:PORT``.

    :raises CallaoError: for another address than a loopback one, or one without a token.
    """
    token = "" if token_file is None else _token(token_file)
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Listener(path=Path(text.removeprefix("unix:")).absolute(), token=token)
    address, _, port = text.rpartition(":")
    address = address.strip("[]")
    try:
        loopback = ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise CallaoError(
            f"--listen: {text!r} is not allowed (allowed: unix:PATH, 127.0.0.1:PORT, [::1]:PORT)."
        )
    if not token:
        raise CallaoError(
            f"--listen: {text!r} needs a token, because each user and web page of this host can connect.",
            hint="Write one to a file that only you can read, and name it: --token-file FILE",
        )
    return Listener(address=address, port=int(port), token=token)


def _token(file: Path) -> str:
    try:
        mode = file.stat().st_mode
        token = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CallaoError(f"--token-file: {str(file)!r} cannot be read: {error}.") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CallaoError(
            f"--token-file: {str(file)!r} is readable by others.", hint=f"Run: chmod 600 {file}"
        )
    if len(token) < _MIN_TOKEN or not token.isprintable() or " " in token:
        raise CallaoError(
            f"--token-file: {str(file)!r} has no token (allowed: {_MIN_TOKEN} characters or more)."
        )
    return token


@contextlib.contextmanager
def bound(listener: Listener) -> Iterator[socket.socket]:
    """A socket that listens there.

    :raises CallaoError: when the address is in use.
    """
    try:
        made = _bind_path(listener.path) if listener.path else _bind_port(listener)
    except OSError as error:
        where = listener.path or join_host_port(listener.address, listener.port)
        raise CallaoError(f"--listen: {str(where)!r} cannot be used: {error}.") from error
    with made:
        yield made
    if listener.path is not None:
        listener.path.unlink(missing_ok=True)


def _bind_path(path: Path) -> socket.socket:
    """A socket that only this user can connect to; one that nobody listens at any more is replaced."""
    if path.is_socket() and not is_listening(path):
        path.unlink()
    made = unix_socket()
    before = os.umask(0o177)
    try:
        made.bind(str(path))
    except BaseException:
        made.close()
        raise
    finally:
        os.umask(before)
    made.listen()
    return made


def _bind_port(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    return socket.create_server((listener.address, listener.port), family=family)


async def serve(server: Server[Any], listener: Listener, listening: socket.socket) -> None:
    """Serve clients until the process is terminated."""
    settings = TransportSecuritySettings(
        allowed_hosts=_allowed("", listener, listening),
        allowed_origins=_allowed("http://", listener, listening),
    )
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=_MAX_BODY,
        max_sessions=_MAX_SESSIONS,
        transport_security=settings,
    )
    guarded = _Guard(app, listener.token, settings)
    config = uvicorn.Config(guarded, log_level="warning", access_log=False, timeout_graceful_shutdown=3)
    await uvicorn.Server(config).serve(sockets=[listening])


def _allowed(scheme: str, listener: Listener, listening: socket.socket) -> list[str]:
    """The values of Host and Origin that name this server."""
    if listener.path is not None:
        return [f"{scheme}localhost"]
    port = listening.getsockname()[1]
    return [f"{scheme}{join_host_port(name, port)}" for name in ("localhost", listener.address)]


class _Guard:
    """Answers only who names this server and has the token, whatever is asked for."""

    def __init__(self, app: ASGIApp, token: str, settings: TransportSecuritySettings) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode() if token else b""
        self._headers = TransportSecurityMiddleware(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            refusal = await self._headers.validate_request(request)
            given = request.headers.get("authorization", "").encode("latin-1")
            if refusal is None and self._expected and not hmac.compare_digest(given, self._expected):
                refusal = PlainTextResponse("a token is needed", 401, {"WWW-Authenticate": "Bearer"})
            if refusal is not None:
                await _discard_body(receive)
                await refusal(scope, receive, send)
                return
        elif scope["type"] != "lifespan":
            return
        await self._app(scope, receive, send)


async def _discard_body(receive: Receive) -> None:
    """Read a small body, because the server resets a connection that has unread data when it is refused."""
    size = 0
    while size < _MAX_REFUSED_BODY:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
