# SPDX-License-Identifier: GPL-3.0-or-later
"""What a quick command loads, and that it reads a line as click does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from cli.conftest import Line
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callao.cli.command_table import COMMANDS
from callao.cli.commands import copy, delete, shell, stop
from callao.cli.commands import list as list_
from callao.cli.parsing import quick_parser
from callao.cli.parsing.quick_command import click_command
from callao.cli.session import CommonFlags

HEAVY = {
    "asyncio",
    "click",
    "ctypes",
    "hashlib",
    "logging",
    "msgspec",
    "psutil",
    "rich",
    "ssl",
    "uuid",
    "yaml",
}
"""What takes long to load, and no quick command needs."""

SHOW = """
import json, os, sys
before = set(sys.modules)  # an installation's own start may load what it likes

def show(*_):
    print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)

os.execvp = show
from callao.cli.main import main
main()
show()
"""

PROGRAM = '#!/bin/sh\necho "$0 $@"\n'


def loaded(*arguments: str) -> set[str]:
    """What a line loads until it ends, or until another program takes its place."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    told = [line for line in done.stderr.splitlines() if line.startswith("[")]
    return set(json.loads(told[0]))


@pytest.fixture
def boxes(callao: Line) -> Line:
    """One that runs, one that is off; the index is made, and ssh and its like do nothing."""
    callao.run("web", mounts=[{"location": str(callao.home)}]).ssh_config.write_text("")
    callao.write("off")
    for name in ("ssh", "scp", "rsync"):
        callao.program(name, PROGRAM)
    assert callao("list").status == 0
    return callao


@pytest.mark.parametrize(
    "line",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["ls", "-q", "web"],
        ["list", "--all-fields", "nobody"],
        ["copy", "web:a", "."],
        ["cp", "-r", "--backend", "scp", ".", "web:"],
        ["copy", "web:a", "off:b"],
        ["shell", "off", "true"],
        ["shell", "--workdir", "/", "web", "true"],
        ["stop", "off"],
        ["stop", "nobody"],
        ["delete", "off"],
        ["rm", "web"],
    ],
    ids=" ".join,
)
def test_a_quick_command_loads_nothing_heavy(boxes: Line, line: list[str]) -> None:
    assert HEAVY & loaded(*line) == set()


def test_nor_does_one_that_stops_a_machine(boxes: Line) -> None:
    assert HEAVY & loaded("stop", "web") == set()
    assert boxes.sleepers[0].wait(10) != 0
    assert "Stopped" in boxes("list", "web").out


def test_a_lima_yaml_that_changed_is_read_by_the_next_command_and_no_other(boxes: Line) -> None:
    path = boxes.home / "web" / "lima.yaml"
    path.write_text(path.read_text().replace("cpus: 2", "cpus: 3"))
    assert "yaml" in loaded("copy", "web:a", ".")
    assert "yaml" not in loaded("list")
    assert boxes("list", "web").out.splitlines()[1].split()[5] == "3"


def test_the_command_after_create_finds_the_index_made(callao: Line, box: Callable[..., Path]) -> None:
    assert callao("create", "--name", "new", str(box())).status == 0
    assert HEAVY & loaded("list", "new") == set()
    assert HEAVY & loaded("delete", "new") == set()


def test_create_loads_nothing_that_only_a_machine_needs(callao: Line, box: Callable[..., Path]) -> None:
    assert {"asyncio", "psutil", "qemu", "ssl"} & loaded("create", "--name", "new", str(box())) == set()
    assert callao("list", "-q").out == "new\n"


MODULES: dict[str, Any] = {"shell": shell, "copy": copy, "list": list_, "stop": stop, "delete": delete}

WORDS = st.sampled_from(
    ["", "-", "--", "-x", "--zzz", "-f", "--force", "--force=true", "-q", "--quiet", "-rv", "-r", "-v",
     "--recursive", "--format", "--format=json", "-fjson", "-f=json", "json", "--json", "--json=",
     "--backend", "--backend=scp", "scp", "ftp", "--workdir", "--workdir=", "--workdir=/x", "/x",
     "--shell", "--start", "--reconnect", "--preserve-env", "--all-fields", "--list-fields", "web", "api",
     "web:a", ".", "--debug",
     "--tty", "--tty=true", "--tty=false", "--tty=maybe", "--tty=1", "-y", "--yes", "-yf", "--help", "-h"]
)  # fmt: skip


def by_click(name: str, words: list[str]) -> tuple[dict[str, Any], CommonFlags] | None:
    """The parameters and the common flags as click reads them; None for what it refuses or answers."""
    seen: list[dict[str, Any]] = []
    said: CommonFlags = {}
    module = MODULES[name]
    spy = SimpleNamespace(SYNTAX=module.SYNTAX, run=lambda _session, **found: seen.append(found))
    try:
        click_command(spy).main(args=words, prog_name=name, standalone_mode=False, obj=said)
    except click.ClickException:
        return None
    return (seen[0], said) if seen else None


@given(name=st.sampled_from(sorted(MODULES)), words=st.lists(WORDS, max_size=6))
@example(name="shell", words=["-", "--tty"])
@settings(max_examples=200)
def test_a_line_is_read_as_click_reads_it_or_left_to_click(name: str, words: list[str]) -> None:
    said: CommonFlags = {}
    found = quick_parser.parse_arguments(MODULES[name].SYNTAX, words, said)
    if found is not None:
        assert (found, said) == by_click(name, words)


@pytest.mark.parametrize(
    ("line", "name", "parameters", "said"),
    [
        (["stop"], "stop", {"instances": (), "force": False}, {}),
        (["-y", "rm", "-f", "a", "b", "--debug"], "delete", {"instances": ("a", "b"), "force": True},
         {"yes": True, "debug": True}),
        (["copy", "web:a", "b"], "copy",
         {"recursive": False, "verbose": False, "backend": "auto", "places": ("web:a", "b")}, {}),
        (["shell", "--workdir", "/x", "web", "ls", "-l", "--", "--debug"], "shell",
         {"workdir": "/x", "program": None, "preserve_env": False, "start": False, "sync": None,
          "named": None, "reconnect": False, "instance": "web",
          "arguments": ("ls", "-l", "--", "--debug")}, {}),
    ],
)  # fmt: skip
def test_a_plain_line_needs_no_click(
    line: list[str], name: str, parameters: dict[str, Any], said: CommonFlags
) -> None:
    heard: CommonFlags = {}
    found = quick_parser.parse_line(line, heard)
    assert found is not None
    assert (found.name, found.parameters, heard) == (name, parameters, said)


def test_every_quick_command_says_what_it_takes() -> None:
    assert {name for name, entry in COMMANDS.items() if entry.quick} == set(MODULES)


@pytest.mark.parametrize("line", [["stop", "--force", "web"], ["delete", "--force", "web"]])
def test_debug_tells_what_each_stage_of_a_stop_takes(boxes: Line, line: list[str]) -> None:
    done = boxes.process("--debug", *line)
    sleeper = boxes.sleepers[0]
    assert sleeper.wait(10) != 0
    stages = [each.split(": ")[1] for each in done.err.splitlines() if " in all" in each]
    expected = [
        "instance's lock taken",
        "host agent ended",
        "hypervisor ended",
        "sockets and pid files removed",
    ]
    assert stages == expected + (["folder removed"] if line[0] == "delete" else [])


def test_at_a_terminal_a_stop_shows_what_it_waits_for_and_leaves_nothing_of_it(boxes: Line) -> None:
    import pty

    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "callao.cli.main", "stop", "off"]
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    subprocess.run(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, check=True)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    os.close(theirs)
    assert said == "  stopping off\r\x1b[Koff is stopped already.\r\n"


def test_an_index_of_another_form_is_made_anew(boxes: Line) -> None:
    place = boxes.home / "_cache" / "instances.json"
    key, known = json.loads(place.read_text())
    place.write_text(
        json.dumps([key, {name: [stamp, facts[:-1]] for name, (stamp, facts) in known.items()}])
    )
    assert boxes("list").status == 0
    assert json.loads(place.read_text()) == [key, known]
    assert not list(Path(place.parent).glob(".instances*"))
