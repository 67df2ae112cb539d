# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads requests from standard input, and runs each in a process of its own, which can be ended.

A request and an answer are a line of JSON each. The end of standard input, which is that of the connection
too, ends all commands.
"""

import sys

assert sys.platform == "linux"

import contextlib
import json
import os
import selectors
import signal
import time
import traceback

from callao.mcp.worker.command import Cancelled, run_shell_command
from callao.mcp.worker.confinement import Confinement
from callao.mcp.worker.failure import ToolError
from callao.mcp.worker.files import list_directory, read_file, write_file
from callao.mcp.worker.find import glob
from callao.mcp.worker.processes import load_prctl
from callao.mcp.worker.search import search_file_content

_MAX_CALLS = 64
"""Calls at a time."""

_KILL_AFTER = 6.0
"""Seconds from SIGTERM to SIGKILL for the process of a call: it ends its command meanwhile."""

_COMMAND_GRACE = 10.0
"""Seconds that the process of a command has after the command's own time limit."""


class _Call:
    def __init__(self, number: object, pid: int, pipe: int, deadline: float) -> None:
        self.number = number
        self.pid = pid
        self.pipe = pipe
        self.deadline = deadline
        self.answer = bytearray()
        self.ending = ""
        """Why it is ended."""


class _Server:
    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.calls = {}  # type: dict[int, _Call]
        self.buffer = bytearray()
        self.open = True

    def run(self, ready: bytes) -> None:
        """:param ready: what is written first."""
        self.selector.register(0, selectors.EVENT_READ)
        write(ready)
        load_prctl()  # while the first request is on its way
        while self.open or self.calls:
            for key, _ in self.selector.select(self._wait()):
                if key.fd == 0:
                    self._read_requests()
                else:
                    self._read_answer(self.calls[key.fd])
            self._end_late_calls()

    def _wait(self) -> "float | None":
        if not self.calls:
            return None
        return max(0.0, min(each.deadline for each in self.calls.values()) - time.monotonic())

    def _read_requests(self) -> None:
        data = os.read(0, 1 << 16)
        if not data:
            self.open = False
            self.selector.unregister(0)
            for call in self.calls.values():
                self._end(call, "the connection was closed")
            return
        self.buffer += data
        if b"\n" not in data:
            return
        *lines, rest = self.buffer.split(b"\n")
        self.buffer = rest
        for line in lines:
            self._request(json.loads(line.decode("utf-8")))

    def _request(self, request: "dict[str, object]") -> None:
        if "cancel" in request:
            for call in self.calls.values():
                if call.number == request["cancel"]:
                    self._end(call, "the call was cancelled")
            return
        if len(self.calls) >= _MAX_CALLS:
            write(_line({"id": request["id"], "error": f"{_MAX_CALLS} calls run already; wait for one"}))
            return
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._child(request, writer)
        os.close(writer)
        timeout = float(str(request["timeout"]))
        grace = _COMMAND_GRACE if request["tool"] == "run_shell_command" else 0.0
        self.calls[reader] = _Call(request["id"], pid, reader, time.monotonic() + timeout + grace)
        self.selector.register(reader, selectors.EVENT_READ)

    def _child(self, request: "dict[str, object]", writer: int) -> None:
        """Never returns: the process of one call."""
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(nothing, 1)
            for call in self.calls.values():
                os.close(call.pipe)
            with contextlib.suppress(Cancelled):
                data = _line({"id": request["id"], **answer(request)})
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                with os.fdopen(writer, "wb") as pipe:
                    pipe.write(data)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)

    def _read_answer(self, call: _Call) -> None:
        data = os.read(call.pipe, 1 << 16)
        if data:
            call.answer += data
            return
        self.selector.unregister(call.pipe)
        os.close(call.pipe)
        del self.calls[call.pipe]
        os.waitpid(call.pid, 0)
        whole = call.answer.endswith(b"\n")
        reason = call.ending or "the process of the call ended without an answer"
        write(bytes(call.answer) if whole else _line({"id": call.number, "error": reason}))

    def _end_late_calls(self) -> None:
        now = time.monotonic()
        for call in self.calls.values():
            if now >= call.deadline:
                self._end(call, "time limit: the call took too long and was ended")

    def _end(self, call: _Call, reason: str) -> None:
        """SIGTERM, and SIGKILL if the process is still there after a while."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(call.pid, signal.SIGKILL if call.ending else signal.SIGTERM)
        call.ending = call.ending or reason
        call.deadline = time.monotonic() + _KILL_AFTER


def answer(request: "dict[str, object]") -> "dict[str, object]":
    """The result and notices of a request, or its error."""
    try:
        result, notices = _run(request)
    except ToolError as error:
        return {"error": str(error)}
    except (UnicodeEncodeError, RecursionError, MemoryError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"result": result, "notices": notices}


def _run(request: "dict[str, object]") -> "tuple[dict[str, object], list[str]]":
    given = request["arguments"]
    roots = request["roots"]
    assert isinstance(given, dict)
    assert isinstance(roots, list)
    confinement = Confinement([each.encode("utf-8") for each in roots])
    path = given["path"].encode("utf-8")
    limit = int(str(request["limit"]))
    tool = request["tool"]
    if tool == "list_directory":
        return list_directory(path, confinement)
    if tool == "read_file":
        return read_file(path, limit, confinement)
    if tool == "write_file":
        return write_file(path, given["content"].encode("utf-8"), confinement)
    if tool == "glob":
        return glob(given["pattern"], path, confinement)
    if tool == "search_file_content":
        return search_file_content(given["pattern"], path, given["include"], limit, confinement)
    if tool == "run_shell_command":
        timeout = float(str(request["timeout"]))
        return run_shell_command(given["line"], path, limit, timeout, confinement)
    raise ToolError(f"tool {tool!r} is not known")


def _line(value: "dict[str, object]") -> bytes:
    return json.dumps(value).encode("ascii") + b"\n"


def write(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


def main(ready: bytes) -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        _Server().run(ready)
    sys.stderr.flush()
