# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao``: finds the command, runs it, and puts errors in a line. What is data goes to stdout."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

import callao
from callao.cli.commands import ALIASES, COMMANDS
from callao.cli.options import Boolean, remember, spelled_out
from callao.cli.output import echo
from callao.errors import CallaoError

_STOPPED = 130
"""128 + SIGINT, as shells have it."""

_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""Of groups within the group. click has had it since 8.2; before, it prints the help itself."""


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
        from callao.cli import external

        return external.command(cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:  # here, since versions of click differ in it
            echo(ctx.get_help(), err=True)
            ctx.exit(1)
        return super().parse_args(ctx, spelled_out(self, ctx, args))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from callao.cli import external

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
@click.option("--debug", is_flag=True, expose_value=False, callback=remember("debug", value=True),
              help="Show Python's traceback with an error.")  # fmt: skip
@click.option("--tty", cls=Boolean, expose_value=False, callback=remember("tty"),
              help="Show progress bars and ask questions (default: on a terminal).")  # fmt: skip
@click.option("-y", "--yes", is_flag=True, expose_value=False, callback=remember("tty", value=False),
              help="The same as --tty=false.")  # fmt: skip
@click.version_option(callao.__version__, "-v", "--version", prog_name="callao")
def cli() -> None:
    """Linux virtual machines on your own machine, described in lima.yaml.

    \b
    Begin with:  callao start           (makes and starts the box "default")
                 callao shell default   (a shell in it)
    """


def main(argv: list[str] | None = None) -> int:
    """Returns the process's exit status: 0, 1 for an error as limactl has it, or a command's own."""
    said: dict[str, Any] = {}
    try:
        result: Any = cli.main(
            args=argv, prog_name="callao", standalone_mode=False, obj=said, color=_color()
        )
    except _NO_ARGUMENTS as error:
        echo(error.format_message(), err=True)
        return 1
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "callao"
        return _failed(f"{error.format_message()} See '{where} --help'.")
    except click.ClickException as error:
        return _failed(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        echo("stopped.", err=True)
        return _STOPPED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except (CallaoError, OSError) as error:
        if said.get("debug"):
            import traceback

            echo(traceback.format_exc(), err=True, nl=False)
            return 1
        return _failed(_words(error))
    return result if isinstance(result, int) else 0


def _words(error: CallaoError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    return str(error)


def _failed(words: str) -> int:
    echo(words, err=True, mark="callao: ", fg="red")
    return 1


def _color() -> bool | None:
    """``NO_COLOR``, see no-color.org; else where there is a terminal."""
    return False if os.environ.get("NO_COLOR") else None


if __name__ == "__main__":
    sys.exit(main())
