# SPDX-License-Identifier: GPL-3.0-or-later
"""The tool run_shell_command."""

import sys

assert sys.platform == "linux"

import os
import pwd
import selectors
import signal
import subprocess
import time

from callao.mcp.worker.confinement import Confinement, OutsideError
from callao.mcp.worker.failure import ToolError, os_failure, shown
from callao.mcp.worker.processes import adopt_descendants, end_descendants

_LINGER = 0.5
"""Seconds in which output is read after the command has ended: what it left in the background may keep its
outputs open for ever."""


class Cancelled(BaseException):
    """The client does not want the result any more."""


def run_shell_command(
    line: str, directory: bytes, limit: int, timeout: float, confinement: Confinement
) -> "tuple[dict[str, object], list[str]]":
    """Run a line in the user's login shell.

    :param limit: bytes of each output.
    :param timeout: seconds after which the command is ended.
    """
    signal.signal(signal.SIGTERM, _cancel)
    adopt_descendants()
    try:
        with confinement.locate(directory) as place:
            try:
                current = place.open_directory()
            except OSError as error:
                raise os_failure(error, directory) from error
        try:
            os.fchdir(current)
        finally:
            os.close(current)
    except OutsideError:
        raise
    except ToolError as error:
        return _failed(shown(directory), str(error)), []
    except OSError as error:
        return _failed(shown(directory), os.strerror(error.errno or 0)), []
    os.environ["PWD"] = shown(directory)
    try:
        return _run(line, limit, timeout)
    except Cancelled:
        end_descendants()
        raise


def _cancel(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Cancelled


def _failed(directory: str, why: str) -> "dict[str, object]":
    """As limactl answers where the shell cannot enter the directory."""
    if why == "file does not exist":
        why = "No such file or directory"
    return {
        "stdout": "",
        "stderr": f"cd: {directory}: {why}\n",
        "error": "exit status 1",
        "exit_code": 1,
    }


def _run(line: str, limit: int, timeout: float) -> "tuple[dict[str, object], list[str]]":
    process = subprocess.Popen(
        [_login_shell(), "-l", "-c", line],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    outputs = _Outputs(process, limit)
    in_time = outputs.read_until(process, time.monotonic() + timeout)
    if not in_time:
        end_descendants()
        outputs.read_rest()
    notices = []  # type: list[str]
    result = {
        "stdout": outputs.stdout.text("stdout", notices),
        "stderr": outputs.stderr.text("stderr", notices),
    }  # type: dict[str, object]
    if not in_time:
        result["error"] = f"time limit: the command ran for {timeout:g} s and was ended"
        return result, [*notices, str(result["error"])]
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    result["exit_code"] = status
    if status:
        result["error"] = f"exit status {status}"
    return result, notices


def _login_shell() -> str:
    try:
        found = pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        found = ""
    return found or os.environ.get("SHELL") or "/bin/sh"


class _Output:
    """The beginning and the end of an endless stream."""

    def __init__(self, limit: int) -> None:
        self.head_limit = limit - limit // 2
        self.tail_limit = limit // 2
        self.head = bytearray()
        self.tail = bytearray()
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        missing = self.head_limit - len(self.head)
        self.head += data[:missing]
        self.tail += data[missing:]
        if len(self.tail) > 2 * self.tail_limit:
            del self.tail[: len(self.tail) - self.tail_limit]

    def text(self, name: str, notices: "list[str]") -> str:
        if self.size <= self.head_limit + self.tail_limit:
            return bytes(self.head + self.tail).decode("utf-8", "replace")
        tail = self.tail[len(self.tail) - self.tail_limit :]
        kept = len(self.head) + len(tail)
        notice = f"cut: {self.size - kept} of {self.size} bytes of {name} are left out here"
        notices.append(notice)
        head = bytes(self.head).decode("utf-8", "ignore")
        return f"{head}\n[{notice}]\n{bytes(tail).decode('utf-8', 'ignore')}"


class _Outputs:
    def __init__(self, process: "subprocess.Popen[bytes]", limit: int) -> None:
        self.stdout = _Output(limit)
        self.stderr = _Output(limit)
        self.selector = selectors.DefaultSelector()
        for stream, output in ((process.stdout, self.stdout), (process.stderr, self.stderr)):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            self.selector.register(stream.fileno(), selectors.EVENT_READ, output)

    def read_until(self, process: "subprocess.Popen[bytes]", deadline: float) -> bool:
        """Read until the command has ended, and what it wrote is read; False after the deadline."""
        ended_at = None  # type: float | None
        while self.selector.get_map():
            now = time.monotonic()
            if ended_at is None and process.poll() is not None:
                ended_at = now
            if ended_at is not None and now > ended_at + _LINGER:
                return True
            if now > deadline and ended_at is None:
                return False
            self._read(0.05 if ended_at is None else 0.02)
        try:  # it has closed its outputs
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def read_rest(self) -> None:
        """Read what is there, after the command was ended."""
        deadline = time.monotonic() + _LINGER
        while self.selector.get_map() and time.monotonic() < deadline:
            self._read(0.02)

    def _read(self, timeout: float) -> None:
        for key, _ in self.selector.select(timeout):
            try:
                data = os.read(key.fd, 1 << 16)
            except BlockingIOError:
                continue
            if data:
                key.data.add(data)
            else:
                self.selector.unregister(key.fd)
