# SPDX-License-Identifier: GPL-3.0-or-later
"""vfkit's REST service (pkg/rest, pkg/rest/vf)."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Mapping
from typing import Any

from support.apple.faults import GARBAGE, Fault
from support.apple.qemu import Machine

REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}


class Service:
    def __init__(self, machine: Machine, inspected: Mapping[str, Any], faults: frozenset[Fault]) -> None:
        self._machine = machine
        self._inspected = inspected
        self._faults = faults

    async def listen(self, scheme: str, place: str) -> None:
        """:raises OSError: when the place is taken, as by the socket of a vfkit that was killed."""
        if Fault.REST_ABSENT in self._faults:
            return
        if Fault.REST_LATE in self._faults:
            await asyncio.sleep(2)
        if scheme == "unix":
            server = socket.socket(socket.AF_UNIX)
            server.bind(place)  # asyncio would replace a socket that is there
            await asyncio.start_unix_server(self._serve, sock=server)
        else:
            host, _, port = place.rpartition(":")
            await asyncio.start_server(self._serve, host.strip("[]"), int(port))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:  # at the program's end: Python 3.11 prints it else
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {
            key.lower(): value.strip() for key, _, value in (line.partition(":") for line in head[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if Fault.REST_CLOSE in self._faults:
            return False
        if {Fault.REST_HANG, Fault.REST_HELD} & self._faults:
            await asyncio.sleep(3600)
        status, answer = await self._answer(method, path.partition("?")[0], body)
        sys.stdout.write(f'[GIN] | {status} | {method} "{path}"\n')
        sys.stdout.flush()
        payload = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json; charset=utf-8\r\n"
            f"Content-Length: {len(answer)}\r\n\r\n"
        ).encode() + answer
        return await self._write(writer, payload) and headers.get("connection", "").lower() != "close"

    async def _write(self, writer: asyncio.StreamWriter, payload: bytes) -> bool:
        """Whether more may come."""
        if Fault.REST_GARBAGE in self._faults:
            payload = GARBAGE
        if {Fault.REST_HALF, Fault.REST_STALL} & self._faults:
            payload = payload[: len(payload) // 2]
        writer.write(payload)
        await writer.drain()
        while Fault.REST_ENDLESS in self._faults:
            writer.write(b" " * 65536)
            await writer.drain()
        if Fault.REST_STALL in self._faults:
            await asyncio.sleep(3600)
        return not {Fault.REST_GARBAGE, Fault.REST_HALF} & self._faults

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if Fault.REST_500 in self._faults:
            return 500, b'{"error":"failed"}'
        match method, path:
            case "GET", "/vm/state":
                return 200, json.dumps(self._state()).encode()
            case "GET", "/vm/inspect":
                return 200, json.dumps(self._inspected).encode()
            case "POST", "/vm/state":
                return await self._change(body)
        return 404, b"404 page not found"

    async def _change(self, body: bytes) -> tuple[int, bytes]:
        try:
            wanted = json.loads(body)["state"]
        except (ValueError, TypeError):
            return 400, b'{"error":"invalid character in the request"}'
        except KeyError:
            wanted = ""
        state = self._machine.state
        if wanted == "Stop" and state == "Running":
            if Fault.STOP_IGNORED not in self._faults:
                await self._machine.power_button()
        elif wanted == "HardStop" and state in ("Running", "Paused"):
            self._machine.end()
        elif wanted == "Pause" and state == "Running":
            await self._machine.pause()
        elif wanted == "Resume" and state == "Paused":
            await self._machine.resume()
        elif wanted in ("Stop", "HardStop", "Pause", "Resume"):
            return 500, b'{"error":"Error Domain=VZErrorDomain Code=3 Description=Invalid state transition"}'
        else:
            return 500, json.dumps({"error": f"invalid new VMState: {wanted}"}).encode()
        return 202, b""

    def _state(self) -> dict[str, object]:
        state = self._machine.state
        return {
            "state": f"VirtualMachineState{state}",
            "canStart": False,
            "canPause": state == "Running",
            "canResume": state == "Paused",
            "canStop": state == "Running",
            "canHardStop": state in ("Running", "Paused"),
        }
