# SPDX-License-Identifier: GPL-3.0-or-later
"""``kill -9`` of a start: of the run that asked for it, of the host agent, of QEMU."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from callao.instances import Runtime
from callao.instances.process_identity import ProcessIdentity, alive
from callao.instances.records import read_json
from support.home import Home

_RUN = """
import sys
from pathlib import Path
from callao.events import silent
from callao.host import Host
from callao.lifecycle import Request, ensure
home, name, template = sys.argv[1:]
request = Request(name=name, template=template or None, timeout=600)
ensure(request, home=Path(home), host=Host.detect(), check=False, report=silent)
"""


@contextlib.contextmanager
def begun(home: Home, name: str, template: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A run that wants the instance ready; it does not outlive the test.

    :param template: empty for an instance that exists.
    """
    argv = [sys.executable, "-c", _RUN, str(home.path), name, template]
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as run:
        try:
            yield run
        finally:
            run.kill()


def victims(home: Home, name: str) -> dict[str, ProcessIdentity]:
    """The instance's processes that live."""
    runtime = read_json(home.path / name / "runtime.json", Runtime)
    found = {"agent": runtime.agent, "qemu": runtime.driver} if runtime else {}
    return {who: identity for who, identity in found.items() if identity is not None and alive(identity)}


def settled(home: Home, name: str) -> None:
    """After one was killed, agent and machine live together or not at all."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(victims(home, name)) in (0, 2):
            return
        time.sleep(0.05)
    raise AssertionError(f"left alone: {victims(home, name)}")


def kill_in_start(home: Home, name: str, who: str) -> bytes:
    """Start the instance, and kill ``who`` as soon as the machine runs; returns what the run said."""
    with begun(home, name) as run:
        deadline = time.monotonic() + 180
        while "qemu" not in victims(home, name) and time.monotonic() < deadline:
            time.sleep(0.05)
        pid = run.pid if who == "run" else victims(home, name)[who].pid
        os.kill(pid, signal.SIGKILL)
        _, words = run.communicate(timeout=180)
        assert run.returncode != 0
    settled(home, name)
    return words


def leftovers(home: Path, name: str) -> list[str]:
    """What a killed run may leave, and the run after it has to remove."""
    temporary = [path.name for path in home.iterdir() if path.name.startswith(".")]
    inside = [path.name for path in (home / name).iterdir() if path.name.startswith(".")]
    return temporary + inside
