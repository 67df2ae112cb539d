# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that a shell in the guest is told, run by real shells; the variables that come along."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import Line

from callao.cli.arguments.environment import preserved_variables
from callao.cli.commands.shell import guest_script
from callao.errors import CallaoError

SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]))"
SHELLS = [shell for shell in ("bash", "sh", "dash", "zsh") if shutil.which(shell)]


def told(script: str, home: Path, login: str = "bash", shell: str | None = None) -> tuple[Any, ...]:
    """What a command finds when the guest's login shell is given the script, as sshd does."""
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "SHELL": shell or shutil.which("bash") or "",
    }
    done = subprocess.run(
        [login, "-c", script], capture_output=True, text=True, check=False, env=environment, cwd=home
    )
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout))


def script(*arguments: str, **more: Any) -> str:
    more = {"workdir": None, "here": None, "shell": "", "environment": {}, **more}
    return guest_script((sys.executable, "-c", SHOW, *arguments), **more)


@pytest.mark.parametrize("login", SHELLS)
@pytest.mark.parametrize(
    "argument",
    ["a b", "'", '"', "$HOME", "`id`", "\\", "a\nb", "ü→🙂", "*", "", "-x", "--", "!x", "a;b&c|d>e", "~",
     "#a", "\t"],
)  # fmt: skip
def test_an_argument_arrives_as_it_was_given(tmp_path: Path, login: str, argument: str) -> None:
    assert told(script(argument, "end"), tmp_path, login)[0] == [argument, "end"]


def test_leading_assignments_stay_assignments(tmp_path: Path) -> None:
    command = ("A=a b", "B=$HOME", sys.executable, "-c", SHOW, "C=c")
    words, _, environment = told(
        guest_script(command, workdir=None, here=None, shell="", environment={}), tmp_path
    )
    assert (words, environment["A"], environment["B"]) == (["C=c"], "a b", "$HOME")


@pytest.mark.parametrize("shell", SHELLS)
def test_any_interpreter_takes_the_command(tmp_path: Path, shell: str) -> None:
    assert told(script("a b", shell=shutil.which(shell)), tmp_path)[0] == ["a b"]
    assert told(script("a b"), tmp_path, shell=shutil.which(shell))[0] == ["a b"]


@pytest.mark.parametrize("value", ["a b", "it's", 'say "x"', "two\nlines", "ü", "$PATH", ""])
def test_a_variable_arrives_as_it_was(tmp_path: Path, value: str) -> None:
    assert told(script(environment={"X": value, "Y": "y"}), tmp_path)[2]["X"] == value


@pytest.mark.parametrize("name", ["plain", "with space", "it's", "ü", "$x", "-x"])
def test_a_directory_is_entered_whatever_its_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    assert told(script(here=str(folder)), tmp_path)[1] == str(folder)
    assert told(script(workdir=str(folder)), tmp_path)[1] == str(folder)


def test_a_shared_directory_that_is_not_there_means_home(tmp_path: Path) -> None:
    assert told(script(here=str(tmp_path / "gone")), tmp_path)[1] == str(tmp_path)


def test_a_workdir_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    text = script(workdir=str(tmp_path / "gone"))
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "gone" in done.stderr


def test_a_login_shell_reads_its_profile(tmp_path: Path) -> None:
    (tmp_path / ".profile").write_text("export FROM_PROFILE=yes\n")
    assert told(script(), tmp_path)[2]["FROM_PROFILE"] == "yes"


def test_the_status_is_the_commands(tmp_path: Path) -> None:
    text = guest_script(("sh", "-c", "exit 42"), workdir=None, here=None, shell="bash", environment={})
    assert subprocess.run(["bash", "-c", text], check=False).returncode == 42


ENVIRONMENT = {
    "EDITOR": "vi", "LANG": "C", "PATH": "/bin", "HOME": "/h", "SSH_AUTH_SOCK": "/s", "LIMA_HOME": "/l",
    "XDG_DATA_HOME": "/x", "SECRET_A": "a", "SECRET_B": "b", "BASH_FUNC_x%%": "() { :; }", "my-var": "1",
    "_": "/bin/env", "TERM": "xterm",
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, {"EDITOR", "LANG", "LIMA_HOME", "SECRET_A", "SECRET_B"}),
        ({"LIMA_SHELLENV_BLOCK": "+SECRET_*"}, {"EDITOR", "LANG", "LIMA_HOME"}),
        ({"LIMA_SHELLENV_BLOCK": "+ SECRET_A , LANG"}, {"EDITOR", "LIMA_HOME", "SECRET_B"}),
        ({"LIMA_SHELLENV_BLOCK": "SECRET_*,LIMA_*"},
         {"EDITOR", "LANG", "PATH", "HOME", "SSH_AUTH_SOCK", "XDG_DATA_HOME", "TERM", "_"}),
        ({"LIMA_SHELLENV_ALLOW": "SECRET_*"}, {"SECRET_A", "SECRET_B"}),
        ({"LIMA_SHELLENV_ALLOW": "PATH, EDITOR"}, {"PATH", "EDITOR"}),
        ({"LIMA_SHELLENV_ALLOW": "SECRET_*", "LIMA_SHELLENV_BLOCK": "SECRET_A"}, {"SECRET_A", "SECRET_B"}),
        ({"LIMA_SHELLENV_ALLOW": "", "LIMA_SHELLENV_BLOCK": ""},
         {"EDITOR", "LANG", "LIMA_HOME", "SECRET_A", "SECRET_B"}),
    ],
)  # fmt: skip
def test_which_variables_come_along(said: dict[str, str], names: set[str]) -> None:
    found = preserved_variables({**ENVIRONMENT, **said})
    assert set(found) - set(said) == names
    assert all(found[name] == ENVIRONMENT[name] for name in names)


@pytest.mark.parametrize("variable", ["LIMA_SHELLENV_ALLOW", "LIMA_SHELLENV_BLOCK"])
@pytest.mark.parametrize("pattern", ["FOO-BAR", "A, B?", "[AB]", "+FOO+"])
def test_a_pattern_that_no_variable_can_match_is_refused(variable: str, pattern: str) -> None:
    with pytest.raises(CallaoError, match=rf"Invalid {variable} pattern: .* contains invalid character"):
        preserved_variables({**ENVIRONMENT, variable: pattern})


@pytest.fixture
def run(callao: Line, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    import callao.cli.commands.shell as module

    seen: list[list[str]] = []
    monkeypatch.setattr(module.os, "execvp", lambda program, argv: seen.append(argv))
    return seen


def test_the_instance_may_come_from_the_environment(
    callao: Line, run: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("web", "default"):
        callao.run(name).ssh_config.write_text("")
    monkeypatch.setenv("LIMA_INSTANCE", "web")
    assert callao("shell").status == 0
    assert "lima-web" in run[-1]
    assert callao("shell", "default").status == 0
    assert "lima-default" in run[-1]
    monkeypatch.delenv("LIMA_INSTANCE")
    assert callao("shell").status == 0
    assert "lima-default" in run[-1]


def test_workdir_and_shell_come_from_flags_then_from_the_environment(
    callao: Line, run: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    callao.run("web").ssh_config.write_text("")
    monkeypatch.setenv("LIMA_WORKDIR", "/srv")
    monkeypatch.setenv("LIMA_SHELL", "/bin/zsh")
    callao("shell", "web", "ls")
    assert run[-1][-1] == "cd /srv || exit 1; exec /bin/zsh -l -c ls"
    callao("shell", "--workdir", "/tmp", "--shell", "/bin/sh", "web", "ls")
    assert run[-1][-1] == "cd /tmp || exit 1; exec /bin/sh -l -c ls"


def test_the_directory_is_where_the_hosts_is_shared(
    callao: Line, run: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "real" / "a b"
    inner.mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    mounts = [{"location": str(tmp_path)}, {"location": str(tmp_path / "link"), "mountPoint": "/mnt/real"}]
    callao.run("web", mounts=mounts).ssh_config.write_text("")
    monkeypatch.chdir(inner)
    callao("shell", "web", "ls")
    assert run[-1][-1].startswith("cd '/mnt/real/a b' 2>/dev/null || cd ~; exec")
    monkeypatch.chdir(tmp_path)
    callao("shell", "web")
    assert run[-1][-1] == f'cd {tmp_path} 2>/dev/null || cd ~; exec "$SHELL" -l'
    monkeypatch.chdir("/")
    callao("shell", "web")
    assert run[-1][-1] == 'exec "$SHELL" -l'


def test_a_directory_that_is_gone_is_no_error(
    callao: Line, run: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callao.run("web", mounts=[{"location": str(tmp_path)}]).ssh_config.write_text("")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert callao("shell", "web", "ls").status == 0
    assert run[-1][-1] == 'exec "$SHELL" -l -c ls'


def test_variables_come_along_when_asked(
    callao: Line, run: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    callao.run("web").ssh_config.write_text("")
    monkeypatch.setenv("MINE", "a b")
    monkeypatch.setenv("SSH_MINE", "a b")
    callao("shell", "web", "ls")
    assert "MINE" not in run[-1][-1]
    callao("shell", "--preserve-env", "web", "ls")
    assert "export MINE='a b'; " in run[-1][-1]
    assert "SSH_MINE" not in run[-1][-1]


def test_a_new_connection_when_asked(callao: Line, run: list[list[str]]) -> None:
    callao.run("web").ssh_config.write_text("")
    callao("shell", "--reconnect", "web")
    assert {"ControlMaster=no", "ControlPath=none"} <= set(run[-1])


@pytest.mark.parametrize("line", [["shell", "web"], ["tunnel", "web"], ["copy", "web:a", "."]])
def test_a_stopped_one_is_named_with_the_remedy(callao: Line, line: list[str]) -> None:
    callao.write("web")
    done = callao(*line)
    assert done.status == 1
    assert "instance 'web' is not running (it is Stopped). Start it: callao start web" in done.err


def test_one_that_is_not_there_is_named_with_those_that_are(callao: Line) -> None:
    callao.write("web")
    assert "instance 'wbe' does not exist" in callao("shell", "wbe").err
    assert "(existing: web)" in callao("shell", "wbe").err


def test_at_a_terminal_a_stopped_one_may_be_started(
    callao: Line, run: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import callao.cli.commands.shell as module

    asked: list[str] = []
    started: list[str] = []
    monkeypatch.setattr("click.confirm", lambda text, **_: asked.append(text) or False)
    monkeypatch.setattr(module, "ensure_instance", lambda run, name, state: started.append(state))
    callao.write("web")
    assert callao("--tty", "shell", "web").status == 1
    assert (asked, started) == ([], [])  # a pipe cannot answer, whatever --tty says
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert callao("--tty", "shell", "web").status == 1
    assert (asked, started) == (["Start it now?"], [])
    assert callao("shell", "--start", "web").status == 1
    assert (asked, started) == (["Start it now?"], ["started"])
    assert callao("-y", "shell", "web").status == 1
    assert len(asked) == 1
