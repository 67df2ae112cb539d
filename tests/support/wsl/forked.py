# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs as forks of the test's process: a call takes 5 ms, where a new Python takes 100.

These are the stand-in, and the engine's client of WinRM, whose imports take half a second.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import IO, Any

import pytest

from callao.drivers.wsl2 import interop, winrm
from support.wsl import program


class Forked:
    """What the engine uses of ``subprocess.Popen``, for calls of ``wsl.exe``."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        cwd: str,
        env: Mapping[str, str],
        preexec_fn: object,
        start_new_session: bool,
    ) -> None:
        theirs, ours = [], []
        for number, given in enumerate((stdin, stdout, stderr)):
            if given == subprocess.PIPE:
                reading, writing = os.pipe()
                theirs.append(reading if number == 0 else writing)
                ours.append(os.fdopen(writing, "wb", 0) if number == 0 else os.fdopen(reading, "rb", 0))
            else:
                theirs.append(os.dup(given.fileno()))
                ours.append(None)
        self.stdin: IO[bytes] | None = ours[0]
        self.stdout: IO[bytes] | None = ours[1]
        self.stderr: IO[bytes] | None = ours[2]
        self._status: int | None = None
        self._pid = os.fork()
        if self._pid == 0:
            status = 99
            try:
                for pipe in ours:
                    if pipe is not None:
                        os.close(pipe.fileno())
                for number, descriptor in enumerate(theirs):
                    os.dup2(descriptor, number)
                    os.close(descriptor)
                os.environ.update(env)
                sys.stdout = os.fdopen(os.dup(1), "w")
                status = _main(argv)
            finally:
                os._exit(status)
        for descriptor in theirs:
            os.close(descriptor)

    def poll(self) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired("wsl.exe", timeout)
            time.sleep(0.001)
        return status

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)


_CLIENT = (sys.executable, "-P", "-m", "callao.drivers.wsl2.winrm")


def _main(argv: Sequence[str]) -> int:
    if tuple(argv[:4]) == _CLIENT:
        return winrm.main(list(argv[4:]))
    return program.main(list(argv[1:]))


def _popen(argv: Sequence[str], **options: Any) -> Any:
    is_known = argv[0] == "wsl.exe" or tuple(argv[:4]) == _CLIENT
    return Forked(argv, **options) if is_known else subprocess.Popen(argv, **options)


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the engine call them so."""
    for name in ("pypsrp_shell", "pywinrm_shell"):
        importlib.import_module(f"callao.drivers.wsl2.{name}")  # in this process, and not in each fork
    module = SimpleNamespace(Popen=_popen, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(interop, "subprocess", module)
