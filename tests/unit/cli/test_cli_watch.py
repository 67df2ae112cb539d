# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of instances, read from the host agents' logs as they are written."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from cli.conftest import Line

from callao.cli.commands.watch import shown
from callao.cli.watched import LogLine, Watcher, described

RUNNING = {"time": "t", "status": {"running": True, "sshLocalPort": 60022}}


def watcher(callao: Line, *chosen: str, history: bool = False) -> Watcher:
    return Watcher(callao.home, chosen, history=history, logs=("ha.stdout.log",))


def texts(found: Watcher) -> list[tuple[str, str]]:
    return [(line.instance, line.text) for line in found.lines()]


def test_whole_lines_are_read_once_and_from_now_on(callao: Line) -> None:
    log = callao.write("web").ha_stdout
    log.write_text("old\n")
    found = watcher(callao)
    assert texts(found) == []
    with log.open("a") as file:
        file.write("one\ntwo\nhal")
        file.flush()
        assert texts(found) == [("web", "one"), ("web", "two")]
        file.write("f\n")
    assert texts(found) == [("web", "half")]
    assert texts(found) == []


def test_history_begins_with_what_is_there(callao: Line) -> None:
    callao.write("web").ha_stdout.write_text("old\n")
    callao.write("api").ha_stdout.write_text("other\n")
    assert texts(watcher(callao, "web", history=True)) == [("web", "old")]


def test_a_long_history_is_read_line_by_line(callao: Line) -> None:
    lines = [f"{number} {'x' * 1000} one line\u2028to JSON" for number in range(2000)]
    callao.write("web").ha_stdout.write_text("".join(f"{line}\n" for line in lines))
    found = watcher(callao, "web", history=True)
    read = [*texts(found), *texts(found)]
    assert read == [("web", line) for line in lines]


def test_a_log_that_a_start_begins_anew_is_read_from_its_beginning(callao: Line) -> None:
    log = callao.write("web").ha_stdout
    log.write_text("a long line of the run before\n")
    found = watcher(callao)
    log.unlink()
    log.write_text("new\n")
    assert texts(found) == [("web", "new")]


def test_an_instance_is_seen_once_its_lima_yaml_is_there(callao: Line) -> None:
    found = watcher(callao)
    (callao.home / "late").mkdir()
    assert found.new_instances() == []
    (callao.home / "late" / "lima.yaml").write_text("{}")
    (callao.home / "late" / "ha.stdout.log").write_text("first\n")
    assert found.new_instances() == ["late"]
    assert found.new_instances() == []
    assert texts(found) == [("late", "first")]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (RUNNING, "running"),
        ({"status": {"running": True, "degraded": True}}, "running (degraded)"),
        ({"status": {"exiting": True}}, "exiting"),
        ({"status": {"sshLocalPort": 60022}}, "ssh available on port 60022"),
        ({"status": {"running": True, "errors": ["a", "b"]}}, "error: a; b"),
        (
            {"status": {}, "callao": {"stage": "sshd", "state": "done", "seconds": 4.25}},
            "sshd: done (4.2 s)",
        ),
        ({"callao": {"stage": "probes", "state": "progress", "message": "waiting"}}, "probes: waiting"),
        ({"other": 1}, '{"other": 1}'),
    ],
)
def test_an_event_is_described(event: dict[str, Any], words: str) -> None:
    assert described(event) == words


def test_an_event_is_printed_as_text_or_json() -> None:
    line = LogLine("web", "ha.stdout.log", json.dumps(RUNNING))
    assert shown(line, as_json=False).endswith(" web | running")  # type: ignore[union-attr]
    assert json.loads(shown(line, as_json=True) or "") == {"instance": "web", "event": RUNNING}
    assert shown(line._replace(text="no JSON"), as_json=True) is None
    assert shown(LogLine("web", "ha.stderr.log", "a\tb"), as_json=False).endswith("| a\tb")  # type: ignore[union-attr]


def test_it_runs_until_interrupted(callao: Line) -> None:
    callao.write("web").ha_stdout.write_text(json.dumps(RUNNING) + "\n")
    argv = [sys.executable, "-m", "callao.cli.main", "watch", "--json", "--history", "web"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["instance"] == "web"
        process.send_signal(2)
        assert process.wait(30) == 130


def test_an_instance_that_is_not_there_is_named(callao: Line) -> None:
    done = callao("watch", "none")
    assert (done.status, "instance 'none' does not exist" in done.err) == (1, True)
