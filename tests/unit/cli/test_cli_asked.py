# SPDX-License-Identifier: GPL-3.0-or-later
"""The question before an instance is created, and a start that stays in the foreground."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.conftest import Line


@pytest.fixture
def answers(callao: Line, box: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """At a terminal, with templates of the user's own; what is asked gets these answers in turn."""
    left: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.prompt", lambda *_, **__: left.pop(0))
    templates = callao.home / "_templates"
    templates.mkdir()
    (templates / "default.yaml").write_text(box().read_text())
    (templates / "other.yaml").write_text(box(cpus=3).read_text())
    return left


def cpus(callao: Line, name: str) -> int:
    return int(yaml.safe_load((callao.home / name / "lima.yaml").read_text())["cpus"])


def test_proceed_creates_it_as_it_is(callao: Line, answers: list[str]) -> None:
    answers.append("proceed")
    assert callao("--tty", "create").status == 0
    assert (callao.names(), answers) == (["default"], [])


def test_another_template_may_be_chosen(callao: Line, answers: list[str]) -> None:
    answers += ["template", "other", "proceed"]
    done = callao("--tty", "create", "--name", "web")
    assert (done.status, "default\n" in done.out, cpus(callao, "web")) == (0, True, 3)


def test_the_configuration_may_be_edited(
    callao: Line, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = callao.program("editor", "#!/bin/sh\nsed -i 's/cpus: 1/cpus: 2/' \"$1\"\n")
    monkeypatch.setenv("EDITOR", str(editor))
    answers += ["edit", "proceed"]
    assert callao("--tty", "create").status == 0
    assert cpus(callao, "default") == 2


def test_exit_creates_nothing_and_is_a_failure(callao: Line, answers: list[str]) -> None:
    answers.append("exit")
    done = callao("--tty", "create")
    assert (done.status, callao.names()) == (1, [])


@pytest.mark.parametrize(
    "line", [["-y", "create"], ["--tty", "create", "other"], ["--tty", "create", "--cpus", "2"]]
)
def test_nothing_is_asked_of_who_has_said_what_he_wants(
    callao: Line, answers: list[str], line: list[str]
) -> None:
    done = callao(*line)
    assert done.status == 0, done.err


def test_limactl_always_asks_at_a_terminal(
    callao: Line, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["limactl"])
    answers.append("exit")
    assert callao("--tty", "create", "other").status == 1
    assert answers == []


STAY = """
import sys
from pathlib import Path
from callao.cli.foreground import stay
from callao.cli.session import Session
print("up", flush=True)
stay(Session(Path(sys.argv[1]), tty=False), "web")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, None])
def test_in_the_foreground_it_stays_until_the_instance_ends(callao: Line, number: int | None) -> None:
    paths = callao.run("web")
    paths.ha_stderr.write_text("")
    argv = [sys.executable, "-c", STAY, str(callao.home)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        streams: Any = process.stdout, process.stderr
        assert streams[0].readline() == "up\n"
        if number is not None:
            while not select.select([streams[1]], [], [], 0.1)[0]:  # until it follows the log
                with paths.ha_stderr.open("a") as file:
                    file.write("told\n")
            assert streams[1].readline() == "told\n"
            process.send_signal(number)
        else:
            callao.sleepers[0].kill()
            callao.sleepers[0].wait()
        said = streams[1].read()
        assert (process.wait(60), said.endswith("web has stopped.\n")) == (0, True)
    assert callao.sleepers[0].wait(10) != 0
