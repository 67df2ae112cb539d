# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of a running host agent's HTTP API, for other processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h11
import msgspec

from callao import system
from callao.errors import AgentError


def fetch(sock: Path, method: str, path: str, *, timeout: float = 30.0) -> bytes:
    """Send one request to ``ha.sock``; returns the answer as it is, for what is not JSON.

    :param path: with its query.
    :raises AgentError: when the agent cannot be reached; or, with its message, when it refuses.
    """
    status, answer = _reached(sock, method, path, b"", timeout)
    if status != 200:
        _decoded(sock, method, path, status, answer)
    return answer


def call(sock: Path, method: str, path: str, *, body: object = None, timeout: float = 30.0) -> Any:
    """Send one request to ``ha.sock``; returns the decoded JSON answer.

    :param body: sent as JSON.
    :param timeout: seconds for each operation on the socket.
    :raises AgentError: when the agent cannot be reached; or, with its message, when it refuses.
    """
    encoded = b"" if body is None else msgspec.json.encode(body)
    status, answer = _reached(sock, method, path, encoded, timeout)
    return _decoded(sock, method, path, status, answer)


def _reached(sock: Path, method: str, path: str, encoded: bytes, timeout: float) -> tuple[int, bytes]:
    """:raises AgentError: when the agent cannot be reached."""
    try:
        return _exchange(sock, method, path, encoded, timeout)
    except (OSError, h11.ProtocolError) as error:
        raise AgentError(
            f"the host agent does not answer on {sock}: {error}.", hint="Restart the instance."
        ) from error


def _decoded(sock: Path, method: str, path: str, status: int, raw_answer: bytes) -> Any:
    """The decoded JSON answer.

    :raises AgentError: with the agent's message when it refuses.
    """
    try:
        answer = msgspec.json.decode(raw_answer)
    except msgspec.MsgspecError:
        raise AgentError(
            f"the host agent on {sock} does not know {method} {path}: limactl has started this machine.",
            hint=f"Restart it: callao restart {sock.parent.name}",
        ) from None
    if status != 200:
        message = answer.get("message", status) if isinstance(answer, dict) else status
        raise AgentError(str(message))
    return answer


def _exchange(sock: Path, method: str, path: str, encoded: bytes, timeout: float) -> tuple[int, bytes]:
    http = h11.Connection(h11.CLIENT)
    status, body = 0, b""
    with system.unix_socket() as connection:
        connection.settimeout(timeout)
        connection.connect(str(sock))
        request = h11.Request(
            method=method, target=path, headers=[("Host", "lima"), ("Content-Length", str(len(encoded)))]
        )
        # Sent at once, because the agent closes the connection as soon as it has answered.
        parts = (request, h11.Data(data=encoded), h11.EndOfMessage())
        connection.sendall(b"".join(http.send(each) or b"" for each in parts))
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(connection.recv(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                return status, body
