# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's programs and the collection's modules, each in a process of its own that has Ansible imported.

That import takes longer than most plays of the tests. So a process does it once, and forks for each run.
Ansible reads its settings while it is imported; there is such a process for each set of settings.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from support.forks import MODULE
from support.run import folder

_LATE = ("ANSIBLE_REMOTE_TEMP", "ANSIBLE_SSH_ARGS", "ANSIBLE_SSH_CONTROL_PATH_DIR")
"""Options of plugins, which are read when a play begins."""

_PATIENCE = 20.0
"""Seconds for an interrupted run to end in."""


def settings() -> dict[str, str]:
    """Of Ansible's settings, those that the tests need, and nothing of the user's own."""
    return {
        "ANSIBLE_ACTION_PLUGINS": str(Path(__file__).with_name("action")),  # one, ``keep``
        "ANSIBLE_COLLECTIONS_PATH": str(Path(__file__).parents[2] / ".dev"),
        "ANSIBLE_CONFIG": str(Path(__file__).with_name("ansible.cfg")),
        "ANSIBLE_HOME": str(folder() / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
    }


class _Forks:
    """A process that has Ansible imported, under the settings of ``environment``."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.connection, theirs = socket.socketpair()
        with theirs:
            argv = [sys.executable, str(Path(__file__).with_name("forks.py")), str(theirs.fileno())]
            null = subprocess.DEVNULL
            self.process = subprocess.Popen(
                argv, env=environment, pass_fds=[theirs.fileno()], cwd="/", stdin=null, stdout=null
            )
        self.answers = self.connection.makefile("rb")

    def run(
        self, argv: list[str], environment: Mapping[str, str], cwd: Path, files: tuple[IO[bytes], ...]
    ) -> int:
        request = {"argv": argv, "environment": dict(environment), "cwd": str(cwd)}
        socket.send_fds(self.connection, [b"!"], [file.fileno() for file in files])
        self.connection.sendall(json.dumps(request).encode() + b"\n")
        pid = int(self.answers.readline())
        try:
            return int(self.answers.readline())
        except BaseException:
            # What it has started, Ansible ends when it is interrupted.
            for number in (signal.SIGINT, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
                if select.select([self.connection], [], [], _PATIENCE)[0]:
                    self.answers.readline()
                    break
            raise


@cache
def _forks(settings: tuple[tuple[str, str], ...], thread: int) -> _Forks:
    """One for each thread: what tests run side by side runs side by side."""
    others = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    return _Forks(others | dict(settings))


def run(
    *argv: str,
    environment: Mapping[str, str],
    cwd: Path | None = None,
    given: bytes = b"",
    stderr: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """One of Ansible's programs with its arguments; ``stderr`` is a file to read meanwhile."""
    kept = sorted(
        (key, value) for key, value in environment.items() if key.startswith("ANSIBLE_") and key not in _LATE
    )
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as out,
        stderr.open("w+b") if stderr else tempfile.TemporaryFile() as told,
    ):
        stdin.write(given)
        stdin.seek(0)
        forks = _forks(tuple(kept), threading.get_ident())
        status = forks.run(list(argv), environment, cwd or Path.cwd(), (stdin, out, told))
        out.seek(0)
        told.seek(0)
        return subprocess.CompletedProcess(argv, status, out.read().decode(), told.read().decode())


def run_module(
    name: str, arguments: bytes, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """A module as Ansible runs it: arguments in, one JSON object out."""
    return run(MODULE, name, environment=environment, given=arguments)
