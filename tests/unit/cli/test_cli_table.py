# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of commands is what the modules are."""

from __future__ import annotations

import importlib
from pathlib import Path

import click
import pytest
from cli.conftest import Line

import callao.cli.commands
from callao.cli.arguments.overrides import _CHANGES
from callao.cli.command_table import ALIASES, COMMANDS
from callao.cli.parsing.options import CONFIGURATION, Command, image_choice, warm
from callao.cli.parsing.quick_command import click_command


def command_of(name: str) -> click.Command:
    module = importlib.import_module(f"callao.cli.commands.{COMMANDS[name].module}")
    command: click.Command = click_command(module) if COMMANDS[name].quick else module.command
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_name_and_the_line_of_the_table(name: str) -> None:
    command = command_of(name)
    assert command.name == name
    assert (command.help or "").strip().splitlines()[0] == COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_the_common_options_behind_its_name(name: str) -> None:
    command = command_of(name)
    for each in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert isinstance(each, Command)
        known = {option for parameter in each.params for option in parameter.opts}
        assert {"--tty", "-y", "--yes", "--debug"} <= known


def test_every_module_with_a_command_is_in_the_table() -> None:
    modules = {path.stem for path in Path(callao.cli.commands.__file__).parent.glob("[a-z]*.py")}
    assert {entry.module for entry in COMMANDS.values()} == modules


def test_no_alias_hides_a_command() -> None:
    assert not set(ALIASES) & set(COMMANDS)
    assert len(ALIASES) == sum(len(entry.aliases) for entry in COMMANDS.values())


def test_each_configuration_flag_has_a_meaning() -> None:
    @click.command()
    def bare() -> None: ...

    for option in reversed((*CONFIGURATION, image_choice, warm)):
        bare = option(bare)
    assert {each.name for each in bare.params} == {*_CHANGES, "expressions"}


@pytest.mark.parametrize("name", [*COMMANDS, *ALIASES])
def test_every_command_has_its_help(callao: Line, name: str) -> None:
    done = callao(name, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"Usage: callao {name}")


def test_the_help_lists_each_command_under_its_section(callao: Line) -> None:
    out = callao("--help").out
    for name, entry in COMMANDS.items():
        assert f"  {', '.join((name, *entry.aliases))} " in out
        assert f"\n{entry.section}:\n" in out
        assert entry.help in " ".join(out.split())
