# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses command lines by click: every command, help, completion and error messages."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from callao.cli.command_table import ALIASES, COMMANDS
from callao.cli.parsing import external, overview
from callao.cli.parsing.group import CommandGroup
from callao.cli.parsing.options import common_options, spelled_out
from callao.cli.session import CommonFlags
from callao.cli.terminal.messages import completion_variable, program_name
from callao.cli.terminal.output import echo, failed
from callao.cli_plugins import search_path
from callao.errors import CallaoError


class Commands(CommandGroup):
    """The built-in commands, imported when they are called, then external ones on PATH."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if entry is not None:
            module = importlib.import_module(f"callao.cli.commands.{entry.module}")
            if entry.quick:
                from callao.cli.parsing.quick_command import click_command

                return click_command(module)
            command: click.Command = module.command
            return command
        program = external.find(cmd_name)
        return None if program is None else _Program(cmd_name, program)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spelled_out(self, ctx, args))

    def get_help(self, ctx: click.Context) -> str:
        return overview.text()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], [*COMMANDS, *ALIASES], n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(error.format_message() + hint, ctx) from None


def _version(ctx: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given and not ctx.resilient_parsing:
        echo(overview.version())
        ctx.exit()


@common_options
@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version)
def cli() -> None:
    """Every command; :mod:`callao.cli.parsing.overview` has the help."""


def run(words: Sequence[str], said: CommonFlags) -> int:
    """Returns the process's exit status: 0, 1 for an error as limactl has it, or a command's own."""
    if completion_variable() in os.environ:
        from callao.cli.parsing import powershell

        powershell.register()
    try:
        result: Any = cli.main(
            args=list(words),
            prog_name=program_name(),
            standalone_mode=False,
            obj=said,
            color=False if os.environ.get("NO_COLOR") else None,
        )
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else program_name()
        return failed(f"{error.format_message()} See '{where} --help'.")
    except click.ClickException as error:
        return failed(error.format_message())
    except click.Abort:
        raise KeyboardInterrupt from None
    return result if isinstance(result, int) else 0


class _Program(click.Command):
    """Takes its arguments as they are, ``--help`` and ``--`` too, and becomes the program."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name, add_help_option=False)
        self.path = path

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return []

    def invoke(self, ctx: click.Context) -> None:
        environment = {**os.environ, "PATH": search_path()}
        try:
            os.execve(self.path, [str(self.path), *ctx.args], environment)  # noqa: S606 - no shell
        except OSError as error:
            raise CallaoError(f"{self.path} cannot be run: {error.strerror}.") from error
