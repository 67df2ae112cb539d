# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every command: mistakes in a line, flags with values, statuses, streams."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import Line

import callao as package
from callao.cli.main import main


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["strat"], "No such command 'strat'. Did you mean 'start'? See 'callao --help'."),
        (["zzz"], "No such command 'zzz'. See 'callao --help'."),
        (["--zzz", "list"], "No such option"),
        (["list", "--zzz"], "See 'callao list --help'."),
        (["lst"], "Did you mean 'list'?"),
        (["create", "--cpus", "two"], "'--cpus': 'two' is not a valid integer"),
        (["create", "--cpus"], "--cpus"),
        (["create", "--containerd", "x"], "'x' is not one of 'user', 'system', 'user+system', 'none'"),
        (["create", "--plain=maybe"], "'--plain': 'maybe' is not a valid boolean"),
        (["--tty=maybe", "list"], "'--tty': 'maybe' is not a valid boolean"),
        (["start", "--timeout", "soon"], "'soon' is no duration (allowed: such as 90s, 10m or 1h30m)"),
        (["start", "--timeout", "0s"], "'0s' is no duration"),
        (["list", "a", "--json", "--yaml"], "--json, --yaml and --quiet exclude each other."),
        (["protect"], "Missing argument 'INSTANCE...'"),
        (["tunnel", "a", "--socks-port", "70000"], "70000 is not in the range 0<=x<=65535"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_status_1(callao: Line, line: list[str], words: str) -> None:
    done = callao(*line)
    assert (done.status, done.out) == (1, "")
    assert words in done.err
    assert done.err.startswith("callao: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("group", ["", "autostart", "disk", "mount", "network", "snapshot", "template"])
def test_a_group_without_a_verb_prints_its_help_and_succeeds_as_limactl_does(
    callao: Line, group: str
) -> None:
    done = callao(*group.split())
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"Usage: {' '.join(['callao', *group.split()])} [OPTIONS] COMMAND")


def test_an_unknown_verb_is_an_error(callao: Line) -> None:
    done = callao("disk", "shred")
    assert (done.status, done.out) == (1, "")
    assert "No such command 'shred'" in done.err


def test_the_version(callao: Line) -> None:
    assert callao("--version").out == f"callao, version {package.__version__}\n"
    assert callao("-v").status == 0


@pytest.mark.parametrize(
    ("line", "watched"),
    [
        ([], False),
        (["--tty"], True),
        (["--tty=true"], True),
        (["--tty=false"], False),
        (["-y"], False),
        (["--yes"], False),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_tty_and_yes_count_before_and_after_the_command(
    callao: Line, monkeypatch: pytest.MonkeyPatch, line: list[str], watched: bool, place: str
) -> None:
    seen: list[bool] = []
    import callao.cli.commands.restart as module
    from callao.cli.session import session

    def spy() -> object:
        seen.append(session().tty)
        return session()

    monkeypatch.setattr(module, "session", spy)
    words = [*line, "restart", "none"] if place == "before" else ["restart", "none", *line]
    assert callao(*words).status == 1
    assert seen == [watched]


@pytest.mark.parametrize(
    ("flags", "plain"),
    [
        (["--plain"], True), (["--plain=true"], True), (["--plain=false"], False), (["--plain=1"], True),
        ([], None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("flags_first", [True, False])
def test_a_boolean_takes_its_value_after_an_equals_sign_only(
    callao: Line, monkeypatch: pytest.MonkeyPatch, flags: list[str], plain: bool | None, flags_first: bool
) -> None:
    import callao.cli.commands.start as module

    seen: dict[str, object] = {}
    monkeypatch.setattr(module, "_start", lambda run, name, given, *_: seen.update(given, name=name))
    monkeypatch.setattr(module, "welcome", lambda run, name: None)
    callao.write("web")
    line = [*flags, "web"] if flags_first else ["web", *flags]
    assert callao("start", *line).status == 0
    assert (seen["name"], seen["plain"]) == ("web", plain)


def test_the_guests_own_flags_are_left_alone(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    import callao.cli.commands.shell as module

    seen: list[list[str]] = []
    monkeypatch.setattr(module.os, "execvp", lambda program, argv: seen.append(argv))
    callao.run("web").ssh_config.write_text("")
    assert callao("shell", "--workdir", "/", "web", "docker", "run", "--tty", "--", "-y").status == 0
    assert "docker run --tty -- -y" in seen[0][-1]
    assert callao("shell", "web", "--", "uname", "--", "--debug").status == 0
    assert "'uname -- --debug'" in seen[1][-1]


def test_debug_shows_the_traceback(callao: Line) -> None:
    assert "Traceback" not in callao.process("show-ssh", "none").err
    for line in (["--debug", "show-ssh", "none"], ["show-ssh", "none", "--debug"]):
        assert "Traceback (most recent call last)" in callao.process(*line).err


def test_debug_in_the_guests_command_is_not_ours(callao: Line) -> None:
    assert "Traceback" not in callao.process("shell", "none", "make", "--debug").err


def test_a_relative_home_is_refused(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMA_HOME", "there")
    done = callao("list")
    assert done.status == 1
    assert "LIMA_HOME: 'there' is not an absolute path." in done.err


def test_what_the_system_refuses_is_one_line(callao: Line) -> None:
    (callao.home / "web").mkdir()
    (callao.home / "web" / "protected").mkdir()
    done = callao("unprotect", "web")
    assert done.status == 1
    assert done.err.startswith(f"callao: {callao.home}/web/protected: ")
    assert done.err.count("\n") == 1


def test_an_interrupt_is_status_130(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    import callao.cli.commands.list as module

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "indexed_instances", interrupted)
    done = callao("list")
    assert (done.status, done.err.split()) == (130, ["stopped."])


@pytest.mark.parametrize("line", ["list -q", "template copy default -", "schema", "info"])
def test_a_reader_that_goes_away_is_no_error(callao: Line, line: str) -> None:
    for number in range(50):
        callao.write(f"box{number}")
    script = f'"{sys.executable}" -m callao.cli.main {line} | head -c 0; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.stdout.strip() in ("0", "1", "141")


@pytest.mark.parametrize(("said", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_that_want_it(callao: Line, said: str, coloured: bool) -> None:
    import os
    import pty

    callao.write("web")
    for line in (["start", "--timeout", "soon"], ["list", "none"]):
        ours, theirs = pty.openpty()
        environment = {**os.environ, "NO_COLOR": said, "TERM": "xterm"}
        argv = [sys.executable, "-m", "callao.cli.main", *line]
        subprocess.run(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, check=False)
        assert (b"\x1b[" in os.read(ours, 4096)) is coloured
        os.close(ours)
        os.close(theirs)
    assert "\x1b" not in callao.process("list", "none", env=dict(os.environ)).err


def test_installed_it_is_called_callao() -> None:
    program = Path(sys.executable).with_name("callao")
    if not program.exists():
        pytest.skip(f"Callao is not installed: there is no {program}")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    assert done.stdout == f"callao, version {package.__version__}\n"


def test_arguments_default_to_the_process(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["callao", "list", "-q"])
    assert main() == 0
