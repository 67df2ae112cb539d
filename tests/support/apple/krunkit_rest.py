# SPDX-License-Identifier: GPL-3.0-or-later
"""krunkit's REST service (src/status.rs), as 1.2.1 and as 1.3.1 have it.

One connection at a time, one read of 4096 bytes of each, no timeout; the socket stays when krunkit ends.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from support.apple.faults import GARBAGE, Fault

HTTP = (1, 3, 1)
"""The first version that reads its requests."""
REQUEST = 4096


class Service:
    def __init__(
        self, stop: Callable[[], Awaitable[None]], version: tuple[int, int, int], faults: frozenset[Fault]
    ) -> None:
        self._stop = stop
        self._version = version
        self._faults = faults
        self._stopping = False

    def listen(self, scheme: str, host: str, port: int, path: str) -> socket.socket:
        """:raises OSError: when the place is taken by anything but a file."""
        if scheme == "unix":
            Path(path).unlink(missing_ok=True)
            server = socket.socket(socket.AF_UNIX)
            server.bind(path)
        else:
            server = socket.create_server((host, port))
        server.listen(128)
        server.setblocking(False)
        return server

    async def serve(self, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(server)
            client.setblocking(False)
            try:
                await self._converse(client)
            except OSError:
                pass
            finally:
                client.close()

    async def _converse(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        request = await loop.sock_recv(client, REQUEST)
        if Fault.REST_CLOSE in self._faults:
            return
        if {Fault.REST_HANG, Fault.REST_HELD} & self._faults:
            await asyncio.sleep(3600)
        if self._version >= HTTP:
            answer, stops = self._read(request) if request else (b"", False)
        else:
            answer, stops = self._look(request)
        if Fault.REST_500 in self._faults:
            answer, stops = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", False
        if Fault.REST_GARBAGE in self._faults:
            answer = GARBAGE
        if {Fault.REST_HALF, Fault.REST_STALL} & self._faults:
            answer = answer[: len(answer) // 2]
        await loop.sock_sendall(client, answer)
        if stops and Fault.STOP_IGNORED not in self._faults:
            await self._stop()
        if Fault.REST_STALL in self._faults:
            await asyncio.sleep(3600)
        while Fault.REST_ENDLESS in self._faults:
            await loop.sock_sendall(client, b" " * 65536)

    @staticmethod
    def _look(request: bytes) -> tuple[bytes, bool]:
        """Up to 1.3.0: the answer has no length, and a NUL at its end."""
        stops = b"POST" in request
        state = "Stopping" if stops else "Running"
        head = "HTTP/1.1 200 OK\r\nContent-type: application/json\r\n\r\n"
        return f'{head}{{"state": "VirtualMachineState{state}"}}\0'.encode(), stops

    def _read(self, request: bytes) -> tuple[bytes, bool]:
        head, blank, rest = request.partition(b"\r\n\r\n")
        words = head.partition(b"\r\n")[0].split(b" ")
        if not blank or len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _empty(400, "Bad Request"), False
        method, path = words[0].decode("latin-1"), words[1].decode("latin-1")
        if path.partition("?")[0].removesuffix("/") != "/vm/state":
            return _empty(404, "Not Found"), False
        if method == "GET":
            return _filled(200, "OK", self._state()), False
        if method != "POST":
            return _empty(405, "Method Not Allowed"), False
        return self._change(rest[: _length(head)])

    def _change(self, body: bytes) -> tuple[bytes, bool]:
        try:
            wanted = json.loads(body)["state"]
        except (ValueError, TypeError, KeyError):
            return _filled(400, "Bad Request", {"error": "missing or invalid 'state' field"}), False
        if wanted not in ("Stop", "HardStop"):
            return _filled(400, "Bad Request", {"error": f"unsupported state change: {wanted}"}), False
        self._stopping = True
        return _filled(200, "OK", self._state()), True

    def _state(self) -> dict[str, object]:
        can = not self._stopping
        return {
            "state": f"VirtualMachineState{'Running' if can else 'Stopping'}",
            "canStart": False,
            "canPause": False,
            "canResume": False,
            "canStop": can,
            "canHardStop": can,
        }


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return 0


def _filled(status: int, reason: str, answer: dict[str, object]) -> bytes:
    body = json.dumps(answer, separators=(",", ":"))
    kind = "Content-Type: application/json\r\n"
    return f"HTTP/1.1 {status} {reason}\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def _empty(status: int, reason: str) -> bytes:
    return f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\n\r\n".encode()
