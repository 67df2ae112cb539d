# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``wsl.exe`` by a program of this host: itself, inside WSL, or one that reaches another machine."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from callao.drivers.wsl2 import upload
from callao.drivers.wsl2.carrier import HERE, Carrier, Remote
from callao.drivers.wsl2.command_line import Stdin
from callao.drivers.wsl2.runner import ANSWER_SECONDS, MAX_OUTPUT, Answer
from callao.errors import DriverError
from callao.system import die_with_parent

_CHUNK = 1 << 16
_WRITTEN = 4096
"""Bytes that a pipe takes at least without blocking when it takes any: PIPE_BUF, see pipe(7)."""
_KILL_SECONDS = 5.0


@dataclass(frozen=True)
class Interop:
    """The contract :class:`callao.drivers.wsl2.runner.Runner`."""

    carrier: Carrier = HERE

    def run(
        self,
        argv: Sequence[str],
        stdin: bytes | IO[bytes] = b"",
        *,
        stdout: BinaryIO | None = None,
        seconds: float = ANSWER_SECONDS,
        passes: Sequence[str] = (),
    ) -> Answer:
        given = stdin if isinstance(stdin, bytes) else b""
        kind = Stdin.WHOLE if given or not isinstance(stdin, bytes) else Stdin.NONE
        command = self.carrier.wrap(argv, stdin=kind, passes=passes)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if isinstance(stdin, bytes) else stdin,
                stdout=subprocess.PIPE if stdout is None else stdout,
                stderr=subprocess.PIPE,
                cwd="/",  # Windows may have no name for the caller's own directory
                env=environment(os.environ, passes),
                preexec_fn=die_with_parent(),
                start_new_session=True,
            )
        except OSError as error:
            raise DriverError(
                f"{command[0]} cannot be started: {error.strerror or error}.",
                hint=""
                if self.carrier.where
                else "Run the engine inside WSL, with interop on ([interop] in /etc/wsl.conf).",
            ) from error
        try:
            return _exchange(process, given, argv, time.monotonic() + seconds, seconds)
        finally:
            _end(process)

    @contextlib.contextmanager
    def tar(self, rootfs: BinaryIO) -> Iterator[tuple[str, IO[bytes] | bytes]]:
        if isinstance(self.carrier, Remote) and not self.carrier.streams_stdin:
            with upload.sent(self.carrier, Path(rootfs.name)) as path:
                yield path, b""
        else:
            yield "-", rootfs


def environment(inherited: Mapping[str, str], passes: Sequence[str] = ()) -> dict[str, str]:
    """The caller's environment, in which ``wsl.exe`` is told to write UTF-8; WSLENV names what programs of
    Linux and of Windows pass on to each other.
    """
    passed = [each for each in inherited.get("WSLENV", "").split(":") if each and each not in passes]
    passed += passes
    if not any(each.partition("/")[0] == "WSL_UTF8" for each in passed):
        passed.append("WSL_UTF8")
    return {**inherited, "WSL_UTF8": "1", "WSLENV": ":".join(passed)}


def _exchange(
    process: subprocess.Popen[bytes], given: bytes, argv: Sequence[str], deadline: float, seconds: float
) -> Answer:
    outputs = {"stdout": bytearray(), "stderr": bytearray()}
    with selectors.DefaultSelector() as selector:
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, name)
        left = memoryview(given)
        if process.stdin is not None:
            if left:
                selector.register(process.stdin, selectors.EVENT_WRITE)
            else:
                process.stdin.close()
        while selector.get_map():
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                if process.stdin is not None and key.fileobj is process.stdin:
                    left = _write(process.stdin, left)
                    if not left:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                data, output = os.read(key.fd, _CHUNK), outputs[key.data]
                output += data
                if not data:
                    selector.unregister(key.fileobj)
                elif len(output) > MAX_OUTPUT:
                    raise DriverError(f"{_command(argv)} wrote more than {MAX_OUTPUT} bytes: it was ended.")
            if time.monotonic() >= deadline:
                raise _too_slow(argv, seconds)
    try:
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _too_slow(argv, seconds) from None
    return Answer(status, bytes(outputs["stdout"]), bytes(outputs["stderr"]))


def _write(pipe: IO[bytes], left: memoryview) -> memoryview:
    """Write what the pipe takes; returns the rest. A program that reads no more gets nothing more."""
    try:
        return left[os.write(pipe.fileno(), left[:_WRITTEN]) :]
    except BrokenPipeError:
        return left[:0]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait(_KILL_SECONDS)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None and not pipe.closed:
            pipe.close()


def _command(argv: Sequence[str]) -> str:
    """The command for messages, without a script that it passes on."""
    return " ".join(argv[:4])


def _too_slow(argv: Sequence[str], seconds: float) -> DriverError:
    return DriverError(
        f"{_command(argv)} did not end within {seconds:.0f} s.",
        hint="Where WSL hangs, 'wsl.exe --shutdown' ends it, and all its distributions.",
    )
