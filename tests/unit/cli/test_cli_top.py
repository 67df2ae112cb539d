# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao top``: one table without a terminal; on one it is renewed, and leaves the terminal as it was."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from cli.conftest import Line

from callao.instances import Failure, Runtime
from callao.instances.records import read_json, write_json

EVIL = "\x1b]0;owned\x07\x1b[31m[bold]banner[/bold]\n\tnext"


def event(stage: str, state: str, **more: object) -> str:
    return json.dumps({"status": {}, "callao": {"stage": stage, "state": state, **more}}) + "\n"


def change(callao: Line, name: str, **values: object) -> None:
    path = callao.home / name / "runtime.json"
    runtime = read_json(path, Runtime)
    assert runtime is not None
    fields = {each: getattr(runtime, each) for each in Runtime.__struct_fields__}
    write_json(path, Runtime(**{**fields, **values}))


@pytest.fixture
def boxes(callao: Line) -> Line:
    log = event("driver", "done", seconds=1.0) + event("sshd", "progress", message=EVIL) + "cut off {"
    for name in ("web", "booting", "failed"):
        callao.run(name).ha_stdout.write_text(log)
    callao.write("off")
    change(callao, "web", timings={"driver": 1.0, "ready": 23.4}, forwards=tuple(
        ("udp" if each == 2 else "tcp", "127.0.0.1", 8000 + each, each) for each in range(1, 6)
    ))  # fmt: skip
    change(callao, "booting", ready=False, timings={"driver": 1.2, "sshd": 20.0})
    change(callao, "failed", ready=False, failure=Failure(stage="provision", message="no"))
    return callao


def test_without_a_terminal_one_table_is_printed(boxes: Line) -> None:
    done = boxes("top")
    assert (done.status, done.err) == (0, "")
    heading, booting, failed, off, web = done.out.splitlines()
    assert heading.split() == ["NAME", "STATUS", "STAGE", "CPU", "MEMORY", "PORTS", "LAST", "EVENT"]
    assert "after sshd (20 s)" in booting
    assert "provision failed" in failed
    assert off.split() == ["off", "Stopped", "-", "-", "-", "-", "-"]
    assert "ready (23 s)" in web
    assert "8001->1, 8002->2/udp, 8003->3 +2" in web
    assert "of 1GiB" in web
    assert " % " in web
    assert "sshd: [bold]banner[/bold] next" in web
    assert "\x1b" not in done.out


def test_only_the_instances_that_are_named_are_shown(boxes: Line) -> None:
    assert len(boxes("top", "web", "--once").out.splitlines()) == 2
    assert boxes("top", "nobody").status == 1
    assert "0.2" in boxes("top", "--interval", "0").err


@dataclass
class Screen:
    """A program on a terminal of its own, and what it has written to it."""

    program: subprocess.Popen[bytes]
    terminal: int
    written: bytes = field(default=b"")

    def wait_for(self, text: bytes) -> None:
        deadline = time.monotonic() + 60
        while text not in self.written:
            assert time.monotonic() < deadline, self.written
            self.read()

    def read(self) -> None:
        ready, _, _ = select.select([self.terminal], [], [], 0.2)
        with contextlib.suppress(OSError):  # the program has ended
            self.written += os.read(self.terminal, 65536) if ready else b""


@contextmanager
def on_a_terminal(*arguments: str) -> Iterator[Screen]:
    terminal, inner = pty.openpty()
    before = termios.tcgetattr(inner)
    argv = [sys.executable, "-m", "callao.cli.main", *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "20"}
    program = subprocess.Popen(
        argv, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True
    )
    screen = Screen(program, terminal)
    try:
        yield screen
        deadline = time.monotonic() + 60
        while program.poll() is None:
            assert time.monotonic() < deadline, screen.written
            screen.read()
        screen.read()
        assert termios.tcgetattr(inner) == before
    finally:
        program.kill()
        program.wait()
        os.close(inner)
        os.close(terminal)


@pytest.mark.parametrize("end", ["q", "Ctrl-C", "SIGTERM"])
def test_it_is_renewed_until_it_is_ended_and_leaves_the_terminal_as_it_was(boxes: Line, end: str) -> None:
    with on_a_terminal("top", "--interval", "0.2") as screen:
        screen.wait_for(b"ready (23 s)")
        change(boxes, "booting", ready=True, timings={"driver": 1.2, "ready": 33.0})
        screen.wait_for(b"ready (33 s)")
        if end == "q":
            os.write(screen.terminal, b"x")  # another key changes nothing
            os.write(screen.terminal, b"q")
        else:
            screen.program.send_signal(signal.SIGINT if end == "Ctrl-C" else signal.SIGTERM)
    assert screen.program.returncode == 0
    assert b"\x1b[?1049h" in screen.written
    assert screen.written.rfind(b"\x1b[?1049l") > screen.written.rfind(b"ready (33 s)")
    assert screen.written.rfind(b"\x1b[?25h") > screen.written.rfind(b"\x1b[?25l")  # the cursor is back
    assert b"\x1b]0;owned" not in screen.written
    assert b"[bold]banner" in screen.written
    assert b"Traceback" not in screen.written
