# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes click's command of a quick command: for help, error messages and completion."""

from __future__ import annotations

from typing import Any

import click

from callao.cli.arguments import complete
from callao.cli.parsing.options import Command
from callao.cli.parsing.syntax import Argument, Option, UsageError
from callao.cli.session import session


def click_command(module: Any) -> click.Command:
    """From a module's ``SYNTAX``, and its ``run``, which takes the session first."""

    def called(**parameters: Any) -> object:
        try:
            return module.run(session(), **parameters)
        except UsageError as mistake:
            raise click.UsageError(str(mistake), click.get_current_context()) from None

    syntax = module.SYNTAX
    return Command(
        syntax.name,
        callback=called,
        params=[*map(_argument, syntax.arguments), *map(_option, syntax.options)],
        help=module.run.__doc__,
        context_settings={"allow_interspersed_args": syntax.interspersed},
    )


def _option(option: Option) -> click.Option:
    names = [*option.names, option.parameter]
    if not option.metavar:
        return click.Option(names, is_flag=True, help=option.help, hidden=option.hidden)
    if option.allowed:
        choice = click.Choice(option.allowed)
        return click.Option(names, type=choice, default=option.default, show_default=True, help=option.help)
    return click.Option(
        names, metavar=option.metavar, default=option.default, help=option.help, multiple=option.many,
        hidden=option.hidden,
    )  # fmt: skip


def _argument(argument: Argument) -> click.Argument:
    return click.Argument(
        [argument.parameter],
        required=argument.required,
        nargs=-1 if argument.many else 1,
        metavar=argument.shown,
        type=click.UNPROCESSED,
        shell_complete=getattr(complete, argument.complete) if argument.complete else None,
    )
