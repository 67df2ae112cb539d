# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml changed in an editor, and by flags."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from cli.conftest import Line

from callao.instances import InstancePaths

TEXT = """# my box
vmType: qemu
arch: x86_64
images:
- location: /nowhere.qcow2   # local
cpus: 2
memory: 1GiB
disk: 10GiB
"""


@pytest.fixture
def web(callao: Line) -> InstancePaths:
    paths = callao.write("web")
    paths.lima_yaml.write_text(TEXT)
    return paths


@pytest.fixture
def editor(callao: Line, monkeypatch: pytest.MonkeyPatch) -> object:
    """Sets an editor that does what the script says to ``$1``."""

    def choose(script: str, variable: str = "EDITOR") -> None:
        path = callao.program("my editor", f"#!/bin/sh\n{script}\n")
        monkeypatch.setenv(variable, f"'{path}' --wait")

    def with_wait(script: str, variable: str = "EDITOR") -> None:
        choose(f'test "$1" = --wait || exit 9; shift; {script}', variable)

    return with_wait


def test_unchanged_is_told_and_nothing_written(callao: Line, web: InstancePaths, editor: object) -> None:
    editor("true")  # type: ignore[operator]
    before = web.lima_yaml.stat()
    done = callao("edit", "web")
    assert (done.status, done.out, done.err) == (0, "", "Nothing was changed.\n")
    assert web.lima_yaml.stat().st_ino == before.st_ino


def test_a_change_is_kept_to_the_last_comment(callao: Line, web: InstancePaths, editor: object) -> None:
    editor("sed -i 's/cpus: 2/cpus: 3  # more/' \"$1\"")  # type: ignore[operator]
    done = callao("edit", "web")
    assert (done.status, done.err) == (0, "Changed web.\n")
    assert web.lima_yaml.read_text() == TEXT.replace("cpus: 2", "cpus: 3  # more")


def test_a_change_of_comments_alone_is_kept(callao: Line, web: InstancePaths, editor: object) -> None:
    editor("sed -i 's/# my box/# our box/' \"$1\"")  # type: ignore[operator]
    assert callao("edit", "web").status == 0
    assert web.lima_yaml.read_text() == TEXT.replace("my", "our")


def test_what_never_changes_may_be_left_out(callao: Line, web: InstancePaths, editor: object) -> None:
    editor("sed -i '/vmType/d; s/cpus: 2/cpus: 1/' \"$1\"")  # type: ignore[operator]
    assert callao("edit", "web").status == 0
    text = TEXT.replace("vmType: qemu\n", "").replace("cpus: 2", "cpus: 1")
    assert web.lima_yaml.read_text() == text + "vmType: qemu\n"


def test_visual_comes_before_editor(callao: Line, web: InstancePaths, editor: object) -> None:
    editor("sed -i 's/cpus: 2/cpus: 4/' \"$1\"", "VISUAL")  # type: ignore[operator]
    os.environ["EDITOR"] = "false"
    try:
        assert callao("edit", "web").status == 0
    finally:
        del os.environ["EDITOR"]
    assert "cpus: 4" in web.lima_yaml.read_text()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sed -i 's/cpus: 2/cpus: many/' \"$1\"", ["lima.yaml:6:1: cpus: 'many'"]),
        ("sed -i 's/cpus: 2/cpus: [/' \"$1\"", ["lima.yaml:8:5: ", "is not YAML"]),
        ("printf 'mounts:\\n- writable: yes\\ndns: 7\\n' >>\"$1\"", ["lima.yaml:11:1: dns:", "mounts[0]"]),
        ("sed -i 's/10GiB/1GiB/' \"$1\"", ["disk: 1073741824", "a disk cannot shrink"]),
        ("sed -i 's/x86_64/aarch64/' \"$1\"", ["arch: 'aarch64'", "this field cannot change"]),
        (": >\"$1\"", ["lima.yaml"]),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_places_and_the_text_is_kept(
    callao: Line, web: InstancePaths, editor: object, script: str, words: list[str]
) -> None:
    editor(script)  # type: ignore[operator]
    done = callao("edit", "web")
    assert (done.status, done.out) == (1, "")
    for each in words:
        assert each in done.err
    assert web.lima_yaml.read_text() == TEXT
    match = re.search(r"What was written is kept in (\S+)\.$", done.err.strip())
    assert match is not None
    kept = Path(match.group(1))
    assert kept.read_text() != TEXT
    kept.unlink()


def test_at_a_terminal_mistakes_are_offered_again(
    callao: Line, web: InstancePaths, editor: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import callao.cli.commands.edit as module

    editor('grep -q many "$1" && sed -i \'s/many/4/\' "$1" || sed -i \'s/cpus: 2/cpus: many/\' "$1"')  # type: ignore[operator]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(module.click, "confirm", lambda *_, **__: True)
    done = callao("--tty", "edit", "web")
    assert done.status == 0
    assert "lima.yaml:6:1: cpus: 'many'" in done.err
    assert web.lima_yaml.read_text() == TEXT.replace("cpus: 2", "cpus: 4")


def test_at_a_terminal_one_may_give_up(
    callao: Line, web: InstancePaths, editor: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import callao.cli.commands.edit as module

    editor("sed -i 's/cpus: 2/cpus: many/' \"$1\"")  # type: ignore[operator]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(module.click, "confirm", lambda *_, **__: False)
    done = callao("--tty", "edit", "web")
    assert done.status == 1
    assert "web stays as it was. What was written is kept in " in done.err
    assert web.lima_yaml.read_text() == TEXT
    Path(done.err.strip().split()[-1].rstrip(".")).unlink()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'cpus: 9' >\"$1\"; exit 3", "ended with status 3; nothing was changed."),
        ('rm "$1"', "wrote cannot be read"),
        ("printf '\\377' >\"$1\"", "wrote cannot be read"),
    ],
)
def test_an_editor_that_fails_changes_nothing(
    callao: Line, web: InstancePaths, editor: object, script: str, words: str
) -> None:
    editor(script)  # type: ignore[operator]
    done = callao("edit", "web")
    assert done.status == 1
    assert done.err.startswith("callao: EDITOR: ")
    assert words in done.err
    assert web.lima_yaml.read_text() == TEXT


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "EDITOR is not set, and nobody is at a terminal. Use flags or --set."),
        ("/nowhere/vi", "EDITOR: '/nowhere/vi' cannot be run: No such file or directory."),
        ("vi 'x", 'EDITOR: "vi \'x" cannot be run: No closing quotation.'),
    ],
)
def test_without_an_editor_that_runs_flags_are_named(
    callao: Line, web: InstancePaths, monkeypatch: pytest.MonkeyPatch, value: str, words: str
) -> None:
    monkeypatch.setenv("EDITOR", value)
    done = callao("edit", "web")
    assert done.status == 1
    assert words in done.err


def test_a_broken_one_is_mended(callao: Line, web: InstancePaths, editor: object) -> None:
    web.lima_yaml.write_text(TEXT.replace("cpus: 2", "cpus: ["))
    editor("sed -i 's/cpus: \\[/cpus: 2/' \"$1\"")  # type: ignore[operator]
    done = callao("edit", "web")
    assert done.status == 0, done.err
    assert web.lima_yaml.read_text() == TEXT


@pytest.mark.parametrize("before", [None, b"\xff\xfe c\x00", b"cpus: [\r\n"])
def test_one_whose_text_cannot_be_read_is_mended_and_deleted(
    callao: Line, web: InstancePaths, editor: object, before: bytes | None
) -> None:
    if before is None:
        web.lima_yaml.unlink()
    else:
        web.lima_yaml.write_bytes(before)
    good = callao.home.parent / "good.yaml"
    good.write_text(TEXT)
    editor(f"cp '{good}' \"$1\"")  # type: ignore[operator]
    assert callao("edit", "web").status == 0
    assert web.lima_yaml.read_text() == TEXT
    web.lima_yaml.write_bytes(before or b"")
    assert callao("delete", "web").status == 0
    assert callao.names() == []


def test_a_lima_yaml_that_is_a_folder_is_told(callao: Line, web: InstancePaths) -> None:
    web.lima_yaml.unlink()
    web.lima_yaml.mkdir()
    done = callao("edit", "web")
    assert (done.status, "cannot be read" in done.err) == (1, True)
    assert callao("delete", "web").status == 0


def test_a_broken_one_with_flags_stays(callao: Line, web: InstancePaths) -> None:
    web.lima_yaml.write_text("cpus: [")
    done = callao("edit", "web", "--cpus", "2")
    assert done.status == 1
    assert "broken" in done.err
    assert web.lima_yaml.read_text() == "cpus: ["


def test_flags_change_what_they_name(callao: Line, web: InstancePaths) -> None:
    done = callao("edit", "web", "--cpus", "3", "--set", '.env.A = "b"')
    assert (done.status, done.err) == (0, "Changed web.\n")
    text = web.lima_yaml.read_text()
    assert "cpus: 3" in text
    assert "A: b" in text
    assert callao("edit", "web", "--cpus", "3").err == "web is so already.\n"
    assert text == TEXT.replace("cpus: 2", "cpus: 3") + "env:\n  A: b\n"


def test_what_a_run_changes_while_the_editor_is_open_is_not_lost(
    callao: Line, web: InstancePaths, editor: object
) -> None:
    editor(f"sed -i 's/cpus: 2/cpus: 3/' \"$1\"; sed -i 's/1GiB/2GiB/' {web.lima_yaml}")  # type: ignore[operator]
    done = callao("edit", "web")
    assert done.status == 1
    assert "another run has changed" in done.err
    kept = Path(re.search(r"kept in (\S+\.lima\.yaml)", done.err)[1])  # type: ignore[index]
    assert "cpus: 3" in kept.read_text()
    kept.unlink()
    assert web.lima_yaml.read_text() == TEXT.replace("1GiB", "2GiB")


def test_a_disk_grows_and_never_shrinks(callao: Line, web: InstancePaths) -> None:
    assert callao("edit", "web", "--disk", "20").status == 0
    assert "disk: 20GiB" in web.lima_yaml.read_text()
    before = web.lima_yaml.read_bytes()
    done = callao("edit", "web", "--disk", "10")
    assert done.status == 1
    assert "a disk cannot shrink" in done.err
    assert web.lima_yaml.read_bytes() == before


def test_without_a_name_it_is_the_default(callao: Line) -> None:
    paths = callao.write("default")
    assert callao("edit", "--cpus", "1").status == 0
    assert "cpus: 1" in paths.lima_yaml.read_text()


def test_one_that_is_not_there(callao: Line) -> None:
    assert "instance 'none' does not exist" in callao("edit", "none", "--cpus", "1").err


def test_a_file_is_edited_too(callao: Line, tmp_path: Path, editor: object) -> None:
    path = tmp_path / "box.yaml"
    path.write_text("# mine\nbase: template:default\ncpus: 2\n")
    path.chmod(0o600)
    editor("sed -i 's/cpus: 2/cpus: 1 # one/' \"$1\"")  # type: ignore[operator]
    assert callao("edit", "box.yaml").status == 0
    assert path.read_text() == "# mine\nbase: template:default\ncpus: 1 # one\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert callao("edit", "box.yaml", "--cpus", "4").status == 0
    assert path.read_text() == "# mine\nbase: template:default\ncpus: 4 # one\n"


def test_a_file_whose_comments_cannot_stay_is_kept_beside(callao: Line, tmp_path: Path) -> None:
    path = tmp_path / "box.yaml"
    text = "base: template:default\nmounts: [ # mine\n  {location: /tmp/x}]\n"
    path.write_text(text)
    done = callao("edit", "box.yaml", "--mount", "/srv")
    assert done.status == 0
    assert "box.yaml.bak" in done.err
    assert (tmp_path / "box.yaml.bak").read_text() == text
    assert "/srv" in path.read_text()


def test_a_file_with_mistakes_stays(callao: Line, tmp_path: Path, editor: object) -> None:
    path = tmp_path / "box.yaml"
    path.write_text("base: template:default\ncpus: 2\n")
    editor("sed -i 's/cpus: 2/cpus: many/' \"$1\"")  # type: ignore[operator]
    done = callao("edit", "box.yaml")
    assert done.status == 1
    assert "box.yaml:2:1: cpus: 'many'" in done.err
    assert "cpus: 2" in path.read_text()
    done = callao("edit", "box.yaml", "--set", '.cpus = "some"')
    assert done.status == 1
    assert "cpus: 'some'" in done.err
    assert "cpus: 2" in path.read_text()
