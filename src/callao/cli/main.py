# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao``: finds the command, runs it, and puts errors in a line. What is data goes to stdout."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

import callao
from callao.cli import external
from callao.cli.commands import ALIASES, COMMANDS
from callao.errors import CallaoError

_STOPPED = 130
"""128 + SIGINT, as shells have it."""


class Commands(click.Group):
    """The built-in commands, imported when they are called, then external ones on PATH."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if entry is not None:
            module = importlib.import_module(f"callao.cli.{entry.module}")
            command: click.Command = module.command
            return command
        return external.command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            rows = [
                (", ".join((name, *entry.aliases)), entry.help)
                for name, entry in COMMANDS.items()
                if entry.section == section
            ]
            with formatter.section(section):
                formatter.write_dl(rows)
        found = external.discover()
        if found:
            with formatter.section("External commands on PATH"):
                formatter.write_dl([(each.name, each.description) for each in found])

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


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show Python's traceback with an error.")
@click.option("--tty", type=bool, is_flag=False, flag_value="true", default=None, metavar="BOOL",
              help="Whether to show progress bars and ask questions (default: on a terminal).")  # fmt: skip
@click.option("-y", "--yes", is_flag=True, help="The same as --tty=false.")
@click.version_option(callao.__version__, "-v", "--version", prog_name="callao")
@click.pass_context
def cli(ctx: click.Context, debug: bool, tty: bool | None, yes: bool) -> None:
    """Linux virtual machines on your own machine, described in lima.yaml.

    \b
    Begin with:  callao start           (makes and starts the box "default")
                 callao shell default   (a shell in it)
    """
    ctx.ensure_object(dict)
    ctx.obj.update(debug=debug)
    if yes or tty is not None:
        ctx.obj["tty"] = False if yes else tty


def main(argv: list[str] | None = None) -> int:
    """Returns the process's exit status: 0, 1 for an error as limactl has it, or a command's own."""
    try:
        result: Any = cli.main(args=argv, prog_name="callao", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 1
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "callao"
        return _failed(f"{error.format_message()} See '{where} --help'.")
    except click.ClickException as error:
        return _failed(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped.", err=True)
        return _STOPPED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except CallaoError as error:
        if "--debug" in (argv if argv is not None else sys.argv[1:]):
            raise
        return _failed(str(error))
    return result if isinstance(result, int) else 0


def _failed(words: str) -> int:
    click.echo(click.style("callao: ", fg="red") + words, err=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
