# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the REST service of vfkit or krunkit, on a unix socket.

krunkit reads once from each connection, and serves one at a time: so each request has its own connection,
and is one write. The service may be anything that has the socket: an answer is bounded, and not waited for
longer than :data:`PATIENCE`.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from callao.errors import DriverError
from callao.system import open_unix_socket

PATIENCE = 5.0
"""Seconds for an answer."""

_LARGEST = 1 << 16
"""Bytes of an answer."""

_SHOWN = 200
"""Characters of an answer that are shown."""

_ACCEPTED = (200, 202)


async def state_of(socket: Path) -> str:
    """The machine's state, as in ``Running``.

    :raises DriverError: when there is no such answer.
    """
    body = await _exchange(socket, "GET", b"")
    try:
        state = json.loads(body.rstrip(b"\0"))["state"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DriverError(
            f"the REST service at {socket} answers what is no state: {_shown(body)}."
        ) from None
    return str(state).removeprefix("VirtualMachineState")


async def change_state(socket: Path, wanted: str) -> None:
    """Ask for ``Stop`` or ``HardStop``; it is not waited for.

    :raises DriverError: when the service refuses, or does not answer.
    """
    await _exchange(socket, "POST", json.dumps({"state": wanted}).encode())


async def _exchange(socket: Path, method: str, body: bytes) -> bytes:
    """The body of an answer that says that all is well."""
    try:
        async with asyncio.timeout(PATIENCE):
            status, answer = await _ask(socket, method, body)
    except TimeoutError:
        raise DriverError(f"the REST service at {socket} did not answer within {PATIENCE:.0f} s.") from None
    except (OSError, ValueError, EOFError) as error:
        raise DriverError(f"the REST service at {socket} cannot be asked: {error}.") from error
    if status not in _ACCEPTED:
        raise DriverError(f"the REST service at {socket} refuses with status {status}: {_shown(answer)}.")
    return answer


async def _ask(socket: Path, method: str, body: bytes) -> tuple[int, bytes]:
    reader, writer = await open_unix_socket(socket)
    try:
        head = (
            f"{method} /vm/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        received = b""
        while not _is_whole(received):
            piece = await reader.read(_LARGEST)
            if not piece:
                break
            received += piece
            if len(received) > _LARGEST:
                raise ValueError(f"its answer has more than {_LARGEST} bytes")
    finally:
        writer.close()
    return _parsed(received)


def _is_whole(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    length = _length(head) if found else None
    return length is not None and len(body) >= length


def _parsed(received: bytes) -> tuple[int, bytes]:
    head, found, body = received.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(b" ")
    if not found or not words[0].startswith(b"HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        raise ValueError(f"it answers what is no HTTP: {_shown(received)}")
    length = _length(head)
    if length is not None and len(body) < length:
        raise EOFError("its answer ends too early")
    return int(words[1]), body if length is None else body[:length]


def _length(head: bytes) -> int | None:
    """None where it is not said: the answer ends with the connection then."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value.strip()[:9])
    return None


def _shown(text: bytes) -> str:
    return ascii(text.decode(errors="replace")[:_SHOWN])
